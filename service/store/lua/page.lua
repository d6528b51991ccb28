#!lua flags=no-writes
-- page: one page of a queue by priority, oldest or newest, behind a cursor.
-- Scores are priority band * 10^13 + ms (store/keys.py: place); the ten bands are each sorted by
-- time, so oldest and newest merge one page of each.
-- KEYS 1 queue
-- ARGV 1 'priority' | 'oldest' | 'newest'  2 how many (1..500)  3 cursor score ('' = start; a time
--      in ms for oldest and newest)  4 cursor id
-- Returns {id, score, id, score, ...}
local BAND, wanted = 1e13, tonumber(ARGV[2])
local down = ARGV[1] == 'newest'
local cursor, cursor_id = tonumber(ARGV[3]), ARGV[4]

local function beyond(at, id)
  if not cursor then return true end
  if at ~= cursor then return (at > cursor) ~= down end
  if id == cursor_id then return false end
  return (id > cursor_id) ~= down
end

-- The next `wanted` members of lo..hi beyond the cursor; equal scores are skipped by id.
local function take(lo, hi, base)
  local found, at = {}, 0
  local from, to = lo, hi
  if cursor and down then to = math.min(hi, base + cursor) end
  if cursor and not down then from = math.max(lo, base + cursor) end
  if down then from, to = to, from end
  while #found < wanted do
    local args = {'ZRANGE', KEYS[1], string.format('%.0f', from), string.format('%.0f', to), 'BYSCORE'}
    if down then args[#args + 1] = 'REV' end
    for _, word in ipairs({'LIMIT', at, wanted, 'WITHSCORES'}) do args[#args + 1] = word end
    local got = redis.call(unpack(args))
    for i = 1, #got, 2 do
      local score = tonumber(got[i + 1])
      if beyond(score - base, got[i]) then found[#found + 1] = {got[i], score, score - base} end
    end
    if #got < wanted * 2 then break end
    at = at + wanted
  end
  return found
end

local rows = {}
if ARGV[1] == 'priority' then
  rows = take(0, 10 * BAND, 0)
else
  for band = 0, 9 do
    for _, row in ipairs(take(band * BAND, (band + 1) * BAND - 1, band * BAND)) do rows[#rows + 1] = row end
  end
  table.sort(rows, function(a, b)
    if a[3] ~= b[3] then return (a[3] < b[3]) ~= down end
    if a[1] == b[1] then return false end
    return (a[1] < b[1]) ~= down
  end)
end
local answer = {}
for i = 1, math.min(wanted, #rows) do
  answer[#answer + 1] = rows[i][1]
  answer[#answer + 1] = string.format('%.0f', rows[i][2])
end
return answer
