#!lua flags=allow-oom
-- forget_author: drops an author's address and name once all their comments were refused long ago;
-- the counts stay.
-- KEYS 1 author  2 pending  3 approved  4.. rejected, spam: indexes of the author's comments
-- ARGV 1 how long ago: written before this, ms
-- Returns 1 | 0 there is a newer one, or one that was not refused
if redis.call('ZCARD', KEYS[2]) + redis.call('ZCARD', KEYS[3]) > 0 then return 0 end
for i = 4, #KEYS do
  if #redis.call('ZRANGE', KEYS[i], ARGV[1], '+inf', 'BYSCORE', 'LIMIT', 0, 1) > 0 then return 0 end
end
redis.call('HDEL', KEYS[1], 'email', 'name')
return 1
