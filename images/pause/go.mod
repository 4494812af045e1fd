// The pause program has no dependencies.
module edgeglm.io/images/pause

go 1.26.0
