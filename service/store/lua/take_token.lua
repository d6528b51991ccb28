#!lua flags=allow-oom
-- take_token: one request against all its rate limits, by the generic cell rate algorithm (ITU-T
-- I.371), on the server's clock, so that every process sees the same buckets. Either every bucket
-- gives a token or none does: a request that one limit refuses uses up nothing of the others.
-- KEYS 1.. buckets, all of one hash tag
-- ARGV 1 most a bucket may be ahead beyond its burst, us: bounds what a clock that jumps back costs
--      2.. burst, then microseconds between requests at the sustained rate; of each bucket in turn
-- Returns {refusing bucket's number (0 = allowed), then of each bucket: requests left,
--          ms until one more is allowed, ms until it is full}
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local refused, longest, tats, answer = 0, 0, {}, {0}
for i = 1, #KEYS do
  local burst, step = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local full = now + burst * step
  local tat = math.max(tonumber(redis.call('GET', KEYS[i]) or now), now)
  tat = math.min(tat, full + tonumber(ARGV[1]))
  local wait = tat + step - full
  if wait > longest then refused, longest = i, wait end
  tats[i] = {tat, step, full}
end
for i = 1, #KEYS do
  local tat, step, full = unpack(tats[i])
  if refused == 0 then tat = tat + step end
  answer[#answer + 1] = math.max(0, math.floor((full - tat) / step))
  answer[#answer + 1] = math.max(0, math.ceil((tat + step - full) / 1000))
  answer[#answer + 1] = math.ceil((tat - now) / 1000)
  tats[i] = tat
end
answer[1] = refused
if refused == 0 then
  for i = 1, #KEYS do
    local px = math.ceil((tats[i] - now) / 1000) + 1
    redis.call('SET', KEYS[i], string.format('%.0f', tats[i]), 'PX', px)
  end
end
return answer
