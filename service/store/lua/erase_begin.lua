#!lua flags=allow-oom
-- erase_begin: takes an author's key, address and name away at once, so that nothing sealed for them
-- can be opened any more, and notes that their comments are to be erased. The server's clock dates it.
-- KEYS 1 config  2 author  3 erasure  4 erasures  5 erasing
-- ARGV 1 author  2 who asked  3 ttl, s  4 names this time
-- Returns when it was asked for, in ms | -1 no such site
if redis.call('EXISTS', KEYS[1]) == 0 then return -1 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HDEL', KEYS[2], 'key', 'email', 'name')
redis.call('HSET', KEYS[3], 'status', 'running', 'asked_at', now, 'finished_at', '', 'by', ARGV[2],
  'token', ARGV[4])
redis.call('EXPIRE', KEYS[3], ARGV[3])
redis.call('ZADD', KEYS[4], now, ARGV[1])
redis.call('SADD', KEYS[5], ARGV[1])
return now
