/** What the server does in one step. Redis runs nothing else while a script runs, and keeps all of it or none. */
import { script } from "./RedisClient.ts"

/**
 * Keys: records, and the mark of this commit. Arguments: a channel, a message for it, how many seconds the mark stays,
 * and for each record the expected version, `put` or `remove`, the value, and its index entries as a JSON list: a
 * sorted set, the member of it, and so on. Answers 0, or which record does not have the expected version: then
 * nothing is changed. A commit whose mark is there has been applied, and is not applied again.
 *
 * All versions are looked at before anything is written, and Redis refuses a script for want of memory before its
 * first write only.
 */
export const commit = script(`
local mark = KEYS[#KEYS]
if redis.call('EXISTS', mark) == 1 then return 0 end
for i = 1, #KEYS - 1 do
  local version = redis.call('HGET', KEYS[i], 'version') or '0'
  if version ~= ARGV[4 * i] then return i end
end
for i = 1, #KEYS - 1 do
  local action, value, entries = ARGV[4 * i + 1], ARGV[4 * i + 2], ARGV[4 * i + 3]
  local old = redis.call('HGET', KEYS[i], 'entries') or '[]'
  if old ~= entries then
    local gone = cjson.decode(old)
    for j = 1, #gone, 2 do redis.call('ZREM', gone[j], gone[j + 1]) end
  end
  if action == 'remove' then
    redis.call('DEL', KEYS[i])
  else
    if old ~= entries then
      local added = cjson.decode(entries)
      for j = 1, #added, 2 do redis.call('ZADD', added[j], 0, added[j + 1]) end
    end
    local version = string.format('%.0f', tonumber(ARGV[4 * i]) + 1)
    redis.call('HSET', KEYS[i], 'version', version, 'value', value, 'entries', entries)
  end
end
redis.call('SET', mark, '1', 'EX', ARGV[3])
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 0
`)

/** Keys: records. Answers the version and value of each, or nothing in the place of both. */
export const read = script(`
local found = {}
for i = 1, #KEYS do found[i] = redis.call('HMGET', KEYS[i], 'version', 'value') end
return found
`)

/**
 * Keys: the sorted sets of an index's partitions. Arguments: what the keys of the records begin with, the order, the
 * bounds, and the limit. Answers a list of member, version and value for each record of any of the first pages.
 * They are not merged here, because Lua compares by the server's locale.
 */
export const scan = script(`
local prefix, order, lowest, highest, limit = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local found, seen = {}, {}
for _, partition in ipairs(KEYS) do
  local members
  if order == 'asc' then
    members = redis.call('ZRANGEBYLEX', partition, lowest, highest, 'LIMIT', 0, limit)
  else
    members = redis.call('ZREVRANGEBYLEX', partition, highest, lowest, 'LIMIT', 0, limit)
  end
  for _, member in ipairs(members) do
    if not seen[member] then
      seen[member] = true
      local key = string.sub(member, string.find(member, '\\0', 1, true) + 1)
      local record = redis.call('HMGET', prefix .. key, 'version', 'value')
      found[#found + 1] = { member, record[1], record[2] }
    end
  end
end
return found
`)
