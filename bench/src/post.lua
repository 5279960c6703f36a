-- The same POST for wrk, each time with one of many bodies by chance.
-- wrk ... -s post.lua URL -- AUTHORIZATION FILE, the file with one form in each line.
local requests = {}

function init(args)
  local file = assert(io.open(args[2]))
  local headers = {
    ['Authorization'] = args[1],
    ['Content-Type'] = 'application/x-www-form-urlencoded',
  }
  for body in file:lines() do
    requests[#requests + 1] = wrk.format('POST', nil, headers, body)
  end
  file:close()
  math.randomseed(os.time())
end

function request()
  return requests[math.random(#requests)]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"served":%d,"seconds":%f,"p50":%f,"p99":%f,"refused":%d,"errors":%d}\n',
    summary.requests - errors.status, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
