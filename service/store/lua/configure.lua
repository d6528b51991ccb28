#!lua flags=allow-oom
-- configure: changes a site's configuration; its version rises, so that no verdict made under the
-- old one can be written any more.
-- KEYS 1 config  2 policies  3 bans
-- ARGV 1 'create' | 'site' | 'policy' | 'ban' | 'unban'  2 document or ban id
--      3 policy version expected ('' = any), or the ban, or the first policy
--      4 policy's own version; for 'create' the first configuration version
-- Returns the new configuration version | -1 no such site (create: exists) | -2 policy changed
--       | 0 nothing to do
local version = redis.call('HGET', KEYS[1], 'version')
if (version and true or false) == (ARGV[1] == 'create') then return -1 end
if ARGV[1] == 'create' then
  redis.call('HSET', KEYS[1], 'version', ARGV[4], 'site', ARGV[2], 'policy', ARGV[3], 'policy_version', 1)
  redis.call('HSET', KEYS[2], 1, ARGV[3])
  return 1
elseif ARGV[1] == 'site' then
  redis.call('HSET', KEYS[1], 'site', ARGV[2])
elseif ARGV[1] == 'policy' then
  local current = redis.call('HGET', KEYS[1], 'policy_version')
  if ARGV[3] ~= '' and ARGV[3] ~= current then return -2 end
  if tonumber(ARGV[4]) ~= tonumber(current) + 1 then return -2 end
  redis.call('HSET', KEYS[1], 'policy', ARGV[2], 'policy_version', ARGV[4])
  redis.call('HSET', KEYS[2], ARGV[4], ARGV[2])
elseif ARGV[1] == 'ban' then
  redis.call('HSET', KEYS[3], ARGV[2], ARGV[3])
else
  if redis.call('HDEL', KEYS[3], ARGV[2]) == 0 then return 0 end
end
return redis.call('HINCRBY', KEYS[1], 'version', 1)
