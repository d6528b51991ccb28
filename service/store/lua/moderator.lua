#!lua flags=allow-oom
-- moderator: replaces or removes a moderator who is still as they were read.
-- KEYS 1 moderators
-- ARGV 1 id  2 as read  3 as they are to be ('' = removed)
-- Returns 1 | 0 changed meanwhile
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
return 1
