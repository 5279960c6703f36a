-- Reservations for wrk: a fresh Idempotency-Key and a random delegation in every request.
-- wrk ... -s reserve.lua URL -- AUTHORIZATION FILE, the file with one delegation id in each line.
local requests, count, run = {}, 0, ''

function init(args)
  local file = assert(io.open(args[2]))
  local random = assert(io.open('/dev/urandom', 'rb'))
  for byte in random:read(8):gmatch('.') do
    run = run .. string.format('%02x', byte:byte())
  end
  random:close()
  math.randomseed(tonumber(run:sub(1, 7), 16))
  for delegation in file:lines() do
    local body = string.format(
      '{"delegation_id":"%s","amount_usd":"0.01","action":"docs.read","ttl_seconds":600}', delegation)
    local headers = {
      ['Authorization'] = args[1],
      ['Content-Type'] = 'application/json',
      ['Idempotency-Key'] = 'IDEMPOTENCY-KEY',
    }
    local text = wrk.format('POST', '/ledger/reservations', headers, body)
    local before, after = text:match('^(.-)IDEMPOTENCY%-KEY(.*)$')
    requests[#requests + 1] = { before, after }
  end
  file:close()
end

function request()
  count = count + 1
  local parts = requests[math.random(#requests)]
  return parts[1] .. run .. string.format('%08d', count) .. parts[2]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"served":%d,"seconds":%f,"p50":%f,"p99":%f,"refused":%d,"errors":%d}\n',
    summary.requests - errors.status, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
