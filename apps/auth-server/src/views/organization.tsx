/** The members of an organization, invitations to it, and the way in and out. */
import type { FC } from 'hono/jsx'
import { invitableRoles, mayManage, orgRoles } from '../people/organization-rights.js'
import type { MembersView } from '../people/organizations.js'
import type { Membership } from '../people/person.js'
import { Button, Choice, Field, Form, Links, Notice, Page } from './page.js'
import { texts } from './texts.js'

const words = texts.members
const { roles } = texts.organizations

export interface OrganizationProps {
  base: string
  token: string
  membership: Membership
  /** For those who manage members. */
  view: MembersView | undefined
  /** What was typed and refused. */
  email?: string | undefined
}

type Managed = OrganizationProps & { view: MembersView }

const Where: FC<Pick<OrganizationProps, 'membership'>> = ({ membership }) => (
  <input type="hidden" name="tenant_id" value={membership.tenant_id} />
)

const MemberCard: FC<Managed & { member: MembersView['members'][number] }> = (props) => {
  const { base, token, membership, member } = props
  const others = orgRoles.filter(
    (role) => role !== member.role && mayManage(membership.orgRole, member.role, role),
  )
  return (
    <div class="card">
      <p>
        <strong>{member.name}</strong>
        {` · ${member.email} · ${roles[member.role]}`}
      </p>
      {mayManage(membership.orgRole, member.role) ? (
        <Form action={`${base}/account/organization/members`} token={token}>
          <Where membership={membership} />
          <input type="hidden" name="member_id" value={member.id} />
          <div class="row">
            {others.map((role) => (
              <Button kind="quiet" name="do" value={role}>
                {words.makeRole(member.name, role)}
              </Button>
            ))}
            <Button kind="danger" name="do" value="remove">
              {words.remove(member.name)}
            </Button>
          </div>
        </Form>
      ) : null}
    </div>
  )
}

const pagesOf = ({ base, view }: Managed): (readonly [string, string])[] => {
  const at = (page: number): string => `${base}/account/organization?page=${page}`
  return [
    ...(view.page > 0 ? [[at(view.page - 1), words.fewerPeople] as const] : []),
    ...(view.hasMore ? [[at(view.page + 1), words.morePeople] as const] : []),
  ]
}

const Members: FC<Managed> = (props) => {
  const pages = pagesOf(props)
  return (
    <section aria-labelledby="members">
      <h2 id="members">{words.title(props.membership.name)}</h2>
      <p>{words.removeHint}</p>
      {props.view.members.map((member) => (
        <MemberCard {...props} member={member} />
      ))}
      {pages.length > 0 ? <Links items={pages} /> : null}
    </section>
  )
}

const OpenInvitations: FC<Managed> = ({ base, token, membership, view }) => (
  <>
    <h3>{words.open}</h3>
    {view.invitations.map(({ id, email, role, expiresAt }) => (
      <div class="card">
        <p>{words.openUntil(email, roles[role], expiresAt)}</p>
        <Form action={`${base}/account/organization/invitations`} token={token}>
          <Where membership={membership} />
          <input type="hidden" name="id" value={id} />
          <input type="hidden" name="email" value={email} />
          <input type="hidden" name="role" value={role} />
          <div class="row">
            <Button kind="quiet" name="do" value="invite">
              {words.again(email)}
            </Button>
            <Button kind="danger" name="do" value="cancel">
              {words.cancel(email)}
            </Button>
          </div>
        </Form>
      </div>
    ))}
  </>
)

const Invite: FC<Managed> = (props) => (
  <section aria-labelledby="invite">
    <h2 id="invite">{words.invite}</h2>
    <p>{words.inviteHint}</p>
    <Form action={`${props.base}/account/organization/invitations`} token={props.token}>
      <Where membership={props.membership} />
      <Field
        name="email"
        label={texts.people.email}
        type="email"
        value={props.email}
        autocomplete="off"
        autocapitalize="none"
        maxlength={254}
        required
      />
      <fieldset>
        <legend>{words.role}</legend>
        {invitableRoles.map((role) => (
          <Choice
            type="radio"
            name="role"
            value={role}
            label={roles[role]}
            checked={role === 'member'}
            required
          />
        ))}
      </fieldset>
      <Button name="do" value="invite">
        {words.send}
      </Button>
    </Form>
    {props.view.invitations.length > 0 ? <OpenInvitations {...props} /> : null}
  </section>
)

const Leave: FC<OrganizationProps> = ({ base, token, membership }) => (
  <section aria-labelledby="leave">
    <h2 id="leave">{words.leaveTitle(membership.name)}</h2>
    <p>{words.leaveHint}</p>
    <Form action={`${base}/account/organization/members`} token={token}>
      <Where membership={membership} />
      <Choice type="checkbox" name="sure" value="yes" label={words.sure} required />
      <Button kind="danger" name="do" value="leave">
        {words.leave}
      </Button>
    </Form>
  </section>
)

/** What stands on the page of organizations about the one that somebody acts in. */
export const Organization: FC<OrganizationProps> = ({ view, ...props }) => (
  <>
    {view ? (
      <>
        <Members {...props} view={view} />
        <Invite {...props} view={view} />
      </>
    ) : null}
    <Leave {...props} view={view} />
  </>
)

export interface InvitationPageProps {
  base: string
  token: string
  /** The secret of the letter. */
  letter: string
  organization: string
  role: keyof typeof roles
  email: string
}

/** A click of a person: programs that look into mail open links, and must not join anything. */
export const InvitationPage: FC<InvitationPageProps> = (props) => (
  <Page title={texts.invitation.title(props.organization)}>
    <p>{texts.invitation.ask(props.organization, roles[props.role], props.email)}</p>
    <Form action={`${props.base}/account/invitation`} token={props.token}>
      <input type="hidden" name="token" value={props.letter} />
      <Button>{texts.invitation.accept}</Button>
    </Form>
  </Page>
)

export interface RefusedInvitationPageProps {
  base: string
  token: string
  problem: string
}

/** With the way to come back as somebody else. */
export const RefusedInvitationPage: FC<RefusedInvitationPageProps> = ({ base, token, problem }) => (
  <Page title={texts.invitation.titleOver}>
    <Notice kind="error">{problem}</Notice>
    <Form action={`${base}/sign-out`} token={token}>
      <Button kind="quiet">{texts.people.signOut}</Button>
    </Form>
    <Links items={[[`${base}/account`, texts.invitation.toAccount]]} />
  </Page>
)
