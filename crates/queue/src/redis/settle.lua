-- After a push: makes the task fetchable at once, removes what is finished, wakes a consumer.
--
-- apalis puts every task in the scheduled set, to be promoted by a consumer's own clock;
-- a consumer whose clock is behind would leave it there. Promoting it here, by the clock
-- that scored it, also keeps the order of the pushes.
--
-- Invariant: a task in the done or dead set is in no other list, so its data can go.
--
-- KEYS: scheduled set, active list, done set, dead set, data hash
-- ARGV: now in seconds, most tasks to handle, prefix of the task's own hash, wake channel

local limit = tonumber(ARGV[2])

local due = redis.call("zrangebyscore", KEYS[1], 0, ARGV[1], "LIMIT", 0, limit)
for _, task in ipairs(due) do
    redis.call("rpush", KEYS[2], task)
    redis.call("zrem", KEYS[1], task)
end

for _, finished in ipairs({KEYS[3], KEYS[4]}) do
    local tasks = redis.call("spop", finished, limit)
    for _, task in ipairs(tasks) do
        redis.call("hdel", KEYS[5], task)
        redis.call("del", ARGV[3] .. ":" .. task)
    end
end

redis.call("publish", ARGV[4], "pushed")
return #due
