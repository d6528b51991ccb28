#!lua flags=allow-oom
-- erase_end: drops some of an erased author's labels, then the author, once no comment of theirs is
-- left. Whatever was stored before this is erased with them; what comes later is a new author's.
-- KEYS 1 author  2 erasure  3 erasing  4 labels by the author  5 labels  6 order of labels
--      7.. indexes of the author's comments
-- ARGV 1 author  2 ttl, s  3 labels dropped at most
-- Returns 1 done | 0 there is more
local left = 0
for i = 7, #KEYS do left = left + redis.call('ZCARD', KEYS[i]) end
local names = redis.call('SPOP', KEYS[4], ARGV[3])
for _, name in ipairs(names) do
  redis.call('HDEL', KEYS[5], name)
  redis.call('ZREM', KEYS[6], name)
end
local done = left == 0 and redis.call('SCARD', KEYS[4]) == 0
if done then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[2], 'status', 'done', 'finished_at', now)
  redis.call('EXPIRE', KEYS[2], ARGV[2])
  redis.call('SREM', KEYS[3], ARGV[1])
end
return done and 1 or 0
