#!lua flags=no-writes
-- configuration: a site with everything a verdict depends on, as it was at one moment.
-- KEYS 1 config  2 bans
-- ARGV 1 version that the caller holds ('0' = none)
-- Returns {} no such site | {version} it is the caller's | {version, site, policy, {ban, ban, ...}}
local row = redis.call('HMGET', KEYS[1], 'version', 'site', 'policy')
if not row[1] then return {} end
if row[1] == ARGV[1] then return {row[1]} end
return {row[1], row[2], row[3], redis.call('HVALS', KEYS[2])}
