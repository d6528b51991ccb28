#!lua flags=allow-oom
-- claim: leases the next comments of a queue to one holder, in the queue's order.
-- A lease is courtesy: it hides a comment from other claims and says who is looking; it never gives
-- or denies the right to decide. Time is the server's, and matters for liveness only.
-- KEYS 1 queue  2 leases  3 holders
-- ARGV 1 how many (1..100)  2 ttl, ms  3 holder  4 token
-- Returns {expiry in ms, id, id, ...}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local expired = redis.call('ZRANGE', KEYS[2], '-inf', now, 'BYSCORE', 'LIMIT', 0, 200)
if #expired > 0 then
  redis.call('ZREM', KEYS[2], unpack(expired))
  redis.call('HDEL', KEYS[3], unpack(expired))
end
local wanted, at, claimed = tonumber(ARGV[1]), 0, {}
local expiry = now + tonumber(ARGV[2])
while #claimed < wanted do
  local ids = redis.call('ZRANGE', KEYS[1], at, at + 99)
  if #ids == 0 then break end
  local leased = redis.call('ZMSCORE', KEYS[2], unpack(ids))
  for i, id in ipairs(ids) do
    if #claimed < wanted and (not leased[i] or tonumber(leased[i]) <= now) then claimed[#claimed + 1] = id end
  end
  at = at + 100
end
for _, id in ipairs(claimed) do
  redis.call('ZADD', KEYS[2], expiry, id)
  redis.call('HSET', KEYS[3], id, ARGV[3] .. '\n' .. ARGV[4])
end
return {expiry, unpack(claimed)}
