#!lua flags=allow-oom
-- take_token: one request against one rate limit, by the generic cell rate algorithm (ITU-T I.371),
-- on the server's clock, so that every process sees the same bucket.
-- KEYS 1 bucket
-- ARGV 1 burst  2 microseconds between requests at the sustained rate
-- Returns {allowed (1|0), requests left, ms until one more is allowed, ms until the bucket is full}
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local burst, step = tonumber(ARGV[1]), tonumber(ARGV[2])
local tat = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local earliest = tat + step - burst * step
if earliest > now then
  return {0, 0, math.ceil((earliest - now) / 1000), math.ceil((tat - now) / 1000)}
end
tat = tat + step
redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000) + 1)
return {1, math.floor((burst * step - (tat - now)) / step), 0, math.ceil((tat - now) / 1000)}
