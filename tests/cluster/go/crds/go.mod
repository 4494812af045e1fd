// The CRDs of others, for the tests of what the operator makes where a cluster has them. Nothing is built.
module edgeglm.io/tests/cluster/crds

go 1.26.0

require (
	github.com/envoyproxy/gateway v1.9.1
	github.com/kedacore/http-add-on v0.15.0
	github.com/kedacore/keda/v2 v2.20.2
	github.com/prometheus-operator/prometheus-operator v0.85.0
	istio.io/api v1.32.0
	knative.dev/serving v0.51.0
	sigs.k8s.io/gateway-api v1.6.1
	sigs.k8s.io/gateway-api-inference-extension v1.3.0
	sigs.k8s.io/lws v0.9.0
)
