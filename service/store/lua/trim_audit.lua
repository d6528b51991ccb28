#!lua flags=allow-oom
-- trim_audit: drops the oldest audit entries; the hash of the newest one dropped stays, as what the
-- chain begins with from now on.
-- KEYS 1 audit  2 audit base
-- ARGV 1 entries before this are dropped, ms  2 how many at most
-- Returns how many were dropped
local old = redis.call('XRANGE', KEYS[1], '-', '(' .. ARGV[1] .. '-0', 'COUNT', ARGV[2])
if #old == 0 then return 0 end
local last, base = old[#old], ''
for i = 1, #last[2], 2 do
  if last[2][i] == 'h' then base = last[2][i + 1] end
end
redis.call('SET', KEYS[2], base)
for _, entry in ipairs(old) do redis.call('XDEL', KEYS[1], entry[1]) end
return #old
