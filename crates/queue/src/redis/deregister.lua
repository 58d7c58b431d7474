-- A consumer has ended: whatever it had taken and not acknowledged goes back to the
-- front, and its registration goes away, as apalis itself leaves both until they are
-- found stale.
--
-- KEYS: workers set, the consumer's in-flight set, active list, the consumer's metadata
-- ARGV: the consumer's name, wake channel

local tasks = redis.call("smembers", KEYS[2])
for _, task in ipairs(tasks) do
    redis.call("lpush", KEYS[3], task)
end
redis.call("del", KEYS[2], KEYS[4])
redis.call("zrem", KEYS[1], ARGV[1])
if #tasks > 0 then
    redis.call("publish", ARGV[2], "returned")
end
return #tasks
