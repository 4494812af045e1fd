-- A site that cannot be seen is no failure, and goes on by itself: it is Healthy and says so, or its link would stop every sync wave.
local health = {status = "Progressing", message = "Waiting for the edgeglm operator"}
local status = obj.status
if status == nil or status.conditions == nil then
  return health
end
if status.observedGeneration == nil or status.observedGeneration < obj.metadata.generation then
  health.message = "Waiting for the edgeglm operator to see the change"
  return health
end
local found = {}
for _, condition in ipairs(status.conditions) do
  found[condition.type] = condition
end
local connected, agent, bundle, applied = found.Connected, found.AgentReady, found.BundleComplete, found.BundleApplied
if bundle ~= nil and bundle.status == "False" then
  health.status = "Degraded"
  health.message = bundle.message or bundle.reason
elseif applied ~= nil and applied.status == "False" and applied.reason ~= "Suspended" then
  health.status = "Degraded"
  health.message = applied.message or applied.reason
elseif connected ~= nil and connected.status == "False" then
  health.status = "Healthy"
  health.message = connected.message or connected.reason
elseif agent ~= nil then
  health.message = agent.message or agent.reason
  if agent.status == "True" then
    health.status = "Healthy"
  elseif agent.reason == "Suspended" then
    health.status = "Suspended"
  elseif agent.status == "False" then
    health.status = "Degraded"
  end
end
return health
