#!lua flags=allow-oom
-- redeliver: makes a delivery due at once: a kept one again, with its id and all its tries, or a
-- new one that stands behind no event.
-- KEYS 1 endpoint  2 deliveries  3 waiting  4 due  5 leased  6 delivered  7 dead
-- ARGV 1 id  2 the new delivery ('' = a kept one)
-- Returns 1 it is due | 0 no such delivery or endpoint | -1 an attempt is under way
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local packed = ARGV[2]
if packed == '' then packed = redis.call('HGET', KEYS[2], ARGV[1]) end
if not packed then return 0 end
if redis.call('ZSCORE', KEYS[5], ARGV[1]) then return -1 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local delivery = cmsgpack.unpack(packed)
delivery[7] = 0
redis.call('HSET', KEYS[2], ARGV[1], cmsgpack.pack(delivery))
redis.call('ZREM', KEYS[6], ARGV[1])
redis.call('ZREM', KEYS[7], ARGV[1])
redis.call('ZADD', KEYS[3], delivery[6], ARGV[1])
redis.call('ZADD', KEYS[4], now, ARGV[1])
return 1
