-- Conditions as kstatus has them: Unknown is "in progress", False is "somebody must look", unless somebody suspended it.
-- Sites that cannot be seen do not make Ready False, so a broken link never stops a sync wave.
local health = {status = "Progressing", message = "Waiting for the edgeglm operator"}
local status = obj.status
if status == nil or status.conditions == nil then
  return health
end
if status.observedGeneration == nil or status.observedGeneration < obj.metadata.generation then
  health.message = "Waiting for the edgeglm operator to see the change"
  return health
end
for _, condition in ipairs(status.conditions) do
  if condition.type == "Ready" then
    health.message = condition.message or condition.reason
    if condition.status == "True" then
      health.status = "Healthy"
    elseif condition.reason == "Suspended" then
      health.status = "Suspended"
    elseif condition.status == "False" then
      health.status = "Degraded"
    end
  end
end
return health
