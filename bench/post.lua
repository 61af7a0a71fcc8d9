-- wrk script: POST a 250-byte item with a fresh key each time; counts the 201s.
local thread_id = 0
local threads = {}
function setup(thread)
  thread:set("id", thread_id)
  thread_id = thread_id + 1
  table.insert(threads, thread)
end
function init()
  sequence = 0
  stored = 0
  other = 0
  filler = string.rep("x", 130)
end
function request()
  sequence = sequence + 1
  local body = string.format(
    '{"Artist":"artist-%d-%08d","SongTitle":"Call Me Today","AlbumTitle":"%s","Year":2015,"Live":true}',
    id, sequence, filler)
  return wrk.format("POST", "/music", {["Content-Type"] = "application/json"}, body)
end
function response(status)
  if status == 201 then stored = stored + 1 else other = other + 1 end
end
function done(summary, latency)
  local ok, bad = 0, 0
  for _, thread in ipairs(threads) do
    ok = ok + thread:get("stored")
    bad = bad + thread:get("other")
  end
  io.write(string.format("RESULT stored=%d other=%d errors=%d elapsed=%.3f p50_ms=%.3f p99_ms=%.3f\n",
    ok, bad, summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
