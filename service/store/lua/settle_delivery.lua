#!lua flags=allow-oom
-- settle_delivery: writes what one attempt led to, if it is still this attempt's to write.
-- A success counts even when it comes late; a late failure does not, for another try is under way.
-- KEYS 1 endpoint  2 deliveries  3 waiting  4 due  5 leased  6 delivered  7 dead
-- ARGV 1 id  2 attempt  3 'delivered' | 'retry' | 'dead'  4 HTTP status  5 ms taken  6 error
--      7 ms until the next attempt  8 why the endpoint is disabled ('' = it is not)
--      9 delivered ones kept, at most
-- Returns 1 written | 0 it is gone, settled, or another attempt's
local packed = redis.call('HGET', KEYS[2], ARGV[1])
if not packed or not redis.call('ZSCORE', KEYS[3], ARGV[1]) then return 0 end
local delivery = cmsgpack.unpack(packed)
local late = delivery[7] ~= tonumber(ARGV[2]) or not redis.call('ZSCORE', KEYS[5], ARGV[1])
if late and ARGV[3] ~= 'delivered' then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

delivery[8], delivery[9], delivery[10] = now, tonumber(ARGV[4]), tonumber(ARGV[5])
delivery[11] = ARGV[6]
redis.call('HSET', KEYS[2], ARGV[1], cmsgpack.pack(delivery))
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('ZREM', KEYS[5], ARGV[1])
if ARGV[3] == 'retry' then
  redis.call('ZADD', KEYS[4], now + tonumber(ARGV[7]), ARGV[1])
else
  redis.call('ZREM', KEYS[3], ARGV[1])
end
if ARGV[3] == 'dead' then redis.call('ZADD', KEYS[7], now, ARGV[1]) end
if ARGV[3] == 'delivered' then
  redis.call('HSET', KEYS[1], 'failing_since', '')
  redis.call('ZADD', KEYS[6], now, ARGV[1])
  local old = redis.call('ZRANGE', KEYS[6], 0, -1 - tonumber(ARGV[9]))
  for _, id in ipairs(old) do
    redis.call('ZREM', KEYS[6], id)
    redis.call('HDEL', KEYS[2], id)
  end
elseif (redis.call('HGET', KEYS[1], 'failing_since') or '') == '' then
  redis.call('HSET', KEYS[1], 'failing_since', now)
end
if ARGV[8] ~= '' then redis.call('HSET', KEYS[1], 'disabled', ARGV[8], 'disabled_at', now) end
return 1
