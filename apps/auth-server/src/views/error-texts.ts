/**
 * The words of the error page, by the `reason` of a refusal or else by its code: for whoever sits in front
 * of the browser, not for whoever writes the application. What stands nowhere here is told as it was thrown.
 */

export interface ErrorText {
  description: string
  /** What to do about it, where going back is not it. */
  hint?: string
}

const startAgain = 'Go back to the application and start again from there.'
const tellMaker =
  'You have done nothing wrong, and cannot mend it. Tell whoever makes the application.'
const waitAMoment = 'Wait a moment, then load this page again.'

const badRequest: ErrorText = {
  description: 'The application that sent you here has asked for something in a wrong way.',
  hint: tellMaker,
}
const badForm: ErrorText = {
  description: 'Something in the form cannot be read.',
}
const foreignForm: ErrorText = {
  description: 'The form came from somewhere else. Open the page here and send it again.',
}
const oldPage: ErrorText = {
  description: 'The page was open for too long, or it was opened in another browser.',
  hint: 'Go back, load the page again, and send the form once more. The browser has to keep cookies.',
}
const tooOften: ErrorText = {
  description: 'Too many requests have come from where you are.',
  hint: waitAMoment,
}
const busy: ErrorText = {
  description: 'Too much is going on here at the moment.',
  hint: waitAMoment,
}
const badDocument: ErrorText = {
  description: 'What the application says of itself cannot be read, or is not accepted here.',
  hint: tellMaker,
}
const nothingLeft: ErrorText = {
  description: 'The application may have nothing of what it asks for.',
  hint: tellMaker,
}

export const errorTexts: {
  reasons: Readonly<Record<string, ErrorText>>
  codes: Readonly<Record<string, ErrorText>>
} = {
  reasons: {
    unknown_client: {
      description: 'The application that sent you here is not known to this server.',
      hint: 'Check that it is meant for this server, or tell whoever makes it.',
    },
    missing_client_id: {
      description: 'The application that sent you here does not say who it is.',
      hint: tellMaker,
    },
    redirect_uri_mismatch: {
      description:
        'The application wants the answer at an address that is not registered for it. Somebody else may be behind it.',
      hint: 'Do not go on. If the application is your own, register the address exactly as it is sent.',
    },
    missing_redirect_uri: {
      description: 'The application does not say where the answer should go.',
      hint: tellMaker,
    },
    state_too_long: badRequest,
    repeated_parameter: badRequest,
    control_character: badRequest,
    client_mismatch: badRequest,
    unregistered_post_logout_redirect_uri: {
      description: 'The application wants to send you to an address that is not registered for it.',
      hint: 'You are still signed in. Open /logout here to sign out.',
    },
    unknown_request_uri: {
      description: 'What the application asked for is not known here any more.',
      hint: startAgain,
    },
    request_over: {
      description: 'This request was answered already, or has waited for too long.',
      hint: startAgain,
    },
    malformed_consent: { description: 'The answer cannot be understood.', hint: startAgain },
    not_a_member: { description: 'You are no member of the organization that this belongs to.' },
    unknown_resource: nothingLeft,
    resource_required: nothingLeft,
    scope_not_allowed: nothingLeft,
    device_code_over: {
      description: 'This code was answered already, or its ten minutes are over.',
      hint: 'Ask the device for a new one.',
    },
    too_many_guesses: { description: 'Too many codes were tried.', hint: 'Wait a few minutes.' },
    missing_parameter: badForm,
    malformed_form: badForm,
    content_type: badForm,
    content_encoding: badForm,
    malformed_json: badForm,
    body_aborted: badForm,
    parameters_in_query: badForm,
    body_too_large: { description: 'That is more than fits in here.' },
    foreign_origin: foreignForm,
    form_cookie_missing: oldPage,
    wrong_form_token: oldPage,
    too_many_requests: tooOften,
    too_many_requests_without_address: tooOften,
    provider_unreachable: {
      description: 'The other site does not answer.',
      hint: 'Try again soon, or sign in another way.',
    },
    sign_in_busy: { description: 'Many people sign in at the moment.', hint: waitAMoment },
    metadata_document_unavailable: badDocument,
    metadata_document_secret: badDocument,
    auth_method_not_supported: badDocument,
    unacceptable_metadata_document: badDocument,
    unacceptable_redirect_uri: badDocument,
    malformed_metadata_member: badDocument,
    malformed_client_id_url: badDocument,
    client_host_not_allowed: {
      description: 'Applications from there are not accepted here.',
      hint: 'Ask whoever runs this server.',
    },
    too_many_metadata_documents: busy,
    database_away: busy,
  },
  codes: {
    server_error: { description: 'Something went wrong here.' },
    temporarily_unavailable: busy,
    rate_limited: tooOften,
  },
}
