#!lua flags=allow-oom
-- count_usage: adds one to one or two counts of a website's host in one month; hosts beyond the cap
-- are counted together, so that made-up names cannot fill the memory.
-- KEYS 1 usage of the month
-- ARGV 1 ttl, s  2 fields at most  3 host  4 host of all others  5 what is counted
--      6 what else is counted ('' = nothing)
-- Returns the host that was counted
local host = ARGV[3]
if redis.call('HEXISTS', KEYS[1], ARGV[5] .. ' ' .. host) == 0
    and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[2]) then
  host = ARGV[4]
end
redis.call('HINCRBY', KEYS[1], ARGV[5] .. ' ' .. host, 1)
if ARGV[6] ~= '' then redis.call('HINCRBY', KEYS[1], ARGV[6] .. ' ' .. host, 1) end
redis.call('EXPIRE', KEYS[1], ARGV[1])
return host
