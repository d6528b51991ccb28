#!lua flags=no-writes
-- around: what deciding needs to know around a comment, as it is at one moment.
-- KEYS 1 config  2 author  3 page  4 text  5 the author's approved  6 rejected  7 spam
--      8 parent comment  9 idempotency; the last two are looked at only where ARGV says so
-- ARGV 1 since, ms  2 the highest score  3 field of the author's key  4 '1' = there is a parent
--      5 '1' = there is an idempotency key
-- Returns {config version, {pending, approved, rejected, spam, first_at, key}, page's first_at, times
--      the text was sent, recently approved, recently refused, {parent's status, blob}, record}
local author = redis.call('HMGET', KEYS[2], 'pending', 'approved', 'rejected', 'spam', 'first_at', ARGV[3])
-- Most authors are new or have one comment: what they never had need not be counted.
local approved = author[2] and redis.call('ZCOUNT', KEYS[5], ARGV[1], ARGV[2]) or 0
local refused = author[3] and redis.call('ZCOUNT', KEYS[6], ARGV[1], ARGV[2]) or 0
if author[4] then refused = refused + redis.call('ZCOUNT', KEYS[7], ARGV[1], ARGV[2]) end
return {
  redis.call('HGET', KEYS[1], 'version'),
  author,
  redis.call('HGET', KEYS[3], 'first_at'),
  redis.call('GET', KEYS[4]),
  approved,
  refused,
  ARGV[4] == '1' and redis.call('HMGET', KEYS[8], 's', 'b') or false,
  ARGV[5] == '1' and redis.call('GET', KEYS[9]) or false,
}
