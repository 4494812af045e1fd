"""What the CRDs let pass and what they refuse: one table, held offline and against a real API server."""

from typing import Any, Final, NamedTuple

from edgeglm_api.group import API_VERSION

Object = dict[str, Any]
HOST: Final = "kubernetes.io/hostname"
ANY: Final = ""
"""Refused by the schema, where the API server has words of its own."""


CUSTOM: Final = {"task": "Custom", "instructions": "Which machine is worst?"}
KNATIVE: Final = {"deploymentMode": "Knative"}
ROUTE: Final = {"httpRoute": {"parentRefs": [{"name": "public"}]}}
NIGHT: Final = {"start": "22:00", "end": "05:00", "timeZone": "Europe/Berlin"}
KEY_REF: Final = {"name": "commands", "key": "key"}


class Row(NamedTuple):
    """One object, and what becomes of it."""

    what: str
    object: Object
    refused: str | None = None
    """None: it passes. Else a part of the message, or ANY."""
    old: Object | None = None
    """Set: the object is an update of this one."""


def service(name: str = "llm", **spec: Any) -> Object:
    """An InferenceService in the cloud, unless told otherwise."""
    placed: Object = {} if spec.keys() & {"cloud", "edge"} else {"cloud": {}}
    return _object("InferenceService", name, {"model": {"uri": "hf://owner/name"}, **placed, **spec})


def target(name: str = "plants", **rest: Any) -> Object:
    """An entry of spec.edge."""
    return {"name": name, "sites": {"nodeNames": ["box-1"]}, **rest}


def at_edge(**rest: Any) -> Object:
    """An InferenceService with one edge target."""
    return service(edge=[target(**rest)])


def model(uri: str, **rest: Any) -> Object:
    """An InferenceService of one model, where it may be."""
    source = {"uri": uri, **rest}
    return service(model=source, edge=[target()]) if uri.startswith("file") else service(model=source)


def cloud(**fields: Any) -> Object:
    """An InferenceService with fields of the cloud part."""
    return service(cloud=fields)


def in_knative(**fields: Any) -> Object:
    """An InferenceService whose cloud part Knative makes."""
    return cloud(**KNATIVE, **fields)


def woken_by(activator: str, **rest: Any) -> Object:
    """An autoscaler down to zero."""
    return {"maxReplicas": 3, "scaleToZero": {"activator": activator}, **rest}


def accelerator(**fields: Any) -> Object:
    """An InferenceService with an accelerator in the cloud."""
    return cloud(accelerator=fields)


def nodes_with(**requirement: Any) -> Object:
    """An InferenceService whose nodes must meet one requirement."""
    return cloud(affinity={"nodeAffinity": _required({"matchExpressions": [requirement]})})


def pods_with(**requirement: Any) -> Object:
    """An InferenceService that keeps away from pods that meet one requirement."""
    term = {"topologyKey": HOST, "labelSelector": {"matchExpressions": [requirement]}}
    return cloud(affinity={"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}})


def spread(**fields: Any) -> Object:
    """An InferenceService with one topology spread constraint."""
    constraint = {"maxSkew": 1, "topologyKey": HOST, "whenUnsatisfiable": "DoNotSchedule", **fields}
    return cloud(topologySpreadConstraints=[constraint])


def volume(**source: Any) -> Object:
    """An InferenceService with one volume."""
    return cloud(volumes=[{"name": "x", **source}])


def mount(path: str, name: str = "x", **rest: Any) -> Object:
    """An InferenceService that mounts one volume."""
    volumes = [{"name": "x", "emptyDir": {}}]
    return cloud(volumes=volumes, volumeMounts=[{"name": name, "mountPath": path, **rest}])


def _required(*terms: Object) -> Object:
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}


def engine(**fields: Any) -> Object:
    """An InferenceService with engine settings."""
    return service(engine=fields)


def reached_from(*peers: Object) -> Object:
    """An InferenceService with a NetworkPolicy."""
    return service(cloud={"networkPolicy": {"from": list(peers)}})


def pooled(activator: str) -> Object:
    """A service in a pool, whose replicas may all go."""
    autoscaling = {"maxReplicas": 4, "scaleToZero": {"activator": activator}}
    return service(cloud={"autoscaling": autoscaling}, routing={"inferencePool": {"endpointPicker": {"name": "p"}}})


def autoscaled(**fields: Any) -> Object:
    """An InferenceService whose cloud replicas follow the load."""
    return service(cloud={"autoscaling": {"maxReplicas": 4, **fields}})


def routed_by(header: str) -> Object:
    """An InferenceService that shares a Gateway with other models."""
    return service(routing={"httpRoute": {"parentRefs": [{"name": "public"}], "modelHeader": header}})


def routed(*hostnames: str, **parent: Any) -> Object:
    """An InferenceService behind a Gateway."""
    parents = [{"name": "public", **parent}]
    return service(routing={"httpRoute": {"parentRefs": parents, "hostnames": list(hostnames)}})


TO_LINE: Final[Object] = {"type": "partOf", "to": {"type": "Line", "idFromLabel": "line"}}


def graph(name: str = "line-1", *, without: str = "", **spec: Any) -> Object:
    """A SensorGraph with one source and an endpoint."""
    whole = {
        "sites": {"nodeNames": ["box-1"]},
        "broker": {"url": "mqtt://127.0.0.1:1883"},
        "sources": [source()],
        "window": {"sizeSeconds": 10},
        "reasoning": {"serviceRef": {"name": "llm"}},
        "output": {"topic": "insights/{graph}/{partition}"},
        **spec,
    }
    return _object("SensorGraph", name, {key: value for key, value in whole.items() if key != without})


def reasoning(**rest: Any) -> Object:
    """A spec.reasoning with a service."""
    return {"serviceRef": {"name": "llm"}, **rest}


KEY: Final = {"name": "hub", "key": "api"}


def endpoint(**rest: Any) -> Object:
    """A SensorGraph with an endpoint of the user's own."""
    return graph(reasoning={"endpoint": {"url": "https://host/v1", "model": "m", **rest}})


def source(**rest: Any) -> Object:
    """An entry of spec.sources."""
    return {
        "name": "vibration",
        "topic": "plant/{line}/{machine}/vibration",
        "entity": {"type": "Machine", "id": "{line}/{machine}"},
        "measurements": [{"property": "rms", "path": "$.rms"}],
        **rest,
    }


def measuring(**rest: Any) -> Object:
    """A SensorGraph with one measurement."""
    return graph(sources=[source(measurements=[{"property": "rms", "path": "$.rms", **rest}])])


def stating(*, without: str = "", form: str = "JSON", **rest: Any) -> Object:
    """A SensorGraph with one state."""
    word = {"property": "breaker", "path": "$.state", "type": "Enum", **rest}
    named = {key: value for key, value in word.items() if key != without}
    return graph(sources=[source(kind="State", format=form, measurements=[named])])


def happening(**rest: Any) -> Object:
    """A SensorGraph with one kind of event."""
    word = {"property": "alarm", "path": "$.what", "type": "Enum"}
    return graph(sources=[source(kind="Event", measurements=[word], **rest)])


def relating(**rest: Any) -> Object:
    """A SensorGraph with one relation that comes and goes."""
    return graph(sources=[related_source(relations=[{"type": "in", "to": {"type": "Bed", "id": "{$.bed}"}, **rest}])])


def related_source(**rest: Any) -> Object:
    """An entry of spec.sources, of kind Relation."""
    relation = {"type": "in", "to": {"type": "Bed", "id": "{$.bed}"}}
    whole = source(**{"kind": "Relation", "relations": [relation], **rest})
    return {key: value for key, value in whole.items() if key != "measurements"}


def measuring_in(form: str, **rest: Any) -> Object:
    """A SensorGraph with one measurement in a format."""
    return graph(sources=[source(format=form, measurements=[{"property": "rms", **rest}])])


def senml(**rest: Any) -> Object:
    """A SensorGraph with one measurement in SenML."""
    return measuring_in("SenML", **rest)


def texted(**rest: Any) -> Object:
    """A source with free text and no measurements."""
    return related_source(
        **{"kind": "Event", "relations": [], "text": [{"property": "note", "path": "$.note"}], **rest}
    )


def sparkplug(topic: str = "spBv1.0/{group}/{message}/{node}/{device}", **rest: Any) -> Object:
    """A SensorGraph with one measurement in Sparkplug B."""
    measurements = [{"property": "rms", "name": "Line 1/RMS (axial)", **rest}]
    return graph(sources=[source(format="SparkplugB", topic=topic, measurements=measurements)])


def site(name: str = "box-1", **spec: Any) -> Object:
    """An EdgeSite."""
    return _object("EdgeSite", name, {"nodeName": "box-1", **spec})


def _object(kind: str, name: str, spec: Object) -> Object:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name, "namespace": "default"}, "spec": spec}


SHAPE: Final = {
    "parameters": 9_400_000_000,
    "layers": 40,
    "hiddenSize": 4096,
    "intermediateSize": 13696,
    "attentionHeads": 32,
    "kvHeads": 2,
    "headDim": 128,
    "vocabSize": 151552,
}

ADAPTED: Final = {"uri": "hf://a/b", "adapters": [{"name": "line-1", "uri": "hf://a/line-1"}]}
CACHES: Final = {"pvc": "weights", "hostPath": "/var/lib/edgeglm/cache", "size": "40Gi"}
ONE_CACHE = "set exactly one of pvc, hostPath, size and imageVolume"
IMAGE_VOLUME: Final[Object] = {"cache": {"imageVolume": {}}}
BY_KUBELET: Final = "an image volume is pulled by the kubelet"
IN_REGISTRY: Final = {"uri": "oci://registry.example/glm:1"}
NO_PLACE = "say where to serve; set spec.cloud, spec.edge or both"
BAD_URI = (
    "use hf://OWNER/NAME, ms://OWNER/NAME, s3://BUCKET/PREFIX, oci://REGISTRY/NAME, pvc://CLAIM/PATH or file:///PATH"
)
ONE_SELECTOR = "set exactly one of nodeGroup, nodeSelector and nodeNames"
KEY_IN_ARGUMENTS = "use spec.auth.apiKeySecretRef"
RISING = "limits must rise"
KEY_TAKEN = "are not for users"
BAD_KEY = "a key is NAME or DOMAIN/NAME"
ONE_SOURCE = "set exactly one of configMap, secret, emptyDir"
PATH_TAKEN = "are taken; mount it elsewhere"

ROWS: Final = (
    # InferenceService: where.
    Row("in the cloud", service()),
    Row("at the edge", at_edge()),
    Row("a cloud that sites trust by a Secret", cloud(externalURL="https://llm", caSecretRef={"name": "ca"})),
    Row(
        "a cloud that sites trust without TLS", cloud(externalURL="http://llm", caSecretRef={"name": "ca"}), "https://"
    ),
    Row("a cloud that sites trust and cannot reach", cloud(caSecretRef={"name": "ca"}), "https://"),
    Row("at the edge, three sites at a time", at_edge(update={"maxConcurrentSites": 3, "hold": True})),
    Row("at the edge, at night", at_edge(update={"window": NIGHT | {"days": ["Saturday"]}})),
    Row("at the edge, the whole day", at_edge(update={"window": NIGHT | {"start": "00:00", "end": "24:00"}})),
    Row("a window of no time", at_edge(update={"window": NIGHT | {"end": "22:00"}}), "start and end are the same"),
    Row("a window of an hour that is none", at_edge(update={"window": NIGHT | {"start": "24:00"}}), ANY),
    Row("a window without a zone", at_edge(update={"window": {"start": "22:00", "end": "05:00"}}), ANY),
    Row("a window on a day that is none", at_edge(update={"window": NIGHT | {"days": ["Caturday"]}}), ANY),
    Row("at the edge, none at a time", at_edge(update={"maxConcurrentSites": 0}), ANY),
    Row("in both places", service(cloud={"replicas": 2}, edge=[target()])),
    Row("nowhere", service(edge=[]), NO_PLACE),
    Row("scaled to zero", service(cloud={"replicas": 0})),
    Row("a rollout in place", service(cloud={"rollout": {"strategy": "InPlace"}})),
    Row("a rollout of no kind", service(cloud={"rollout": {"strategy": "Blue"}}), ANY),
    Row("verified by more at once", service(verification={"concurrency": 64})),
    Row("not verified", service(verification={"concurrency": 0})),
    Row("verified by less than none", service(verification={"concurrency": -1}), ANY),
    Row("verified by a crowd", service(verification={"concurrency": 257}), ANY),
    Row("too many replicas", service(cloud={"replicas": 1001}), ANY),
    Row("a name for a Service", service("a" * 52)),
    Row("a name that is too long", service("a" * 53), "at most 52"),
    Row("a name that begins with a digit", service("1llm"), "beginning with a letter"),
    Row("a name with a dot", service("a.b"), "beginning with a letter"),
    # InferenceService: the model.
    Row("a hub model", model("hf://zai-org/glm-4-9b-chat-hf", revision="refs/pr/1", name="glm", aliases=["a", "b"])),
    Row("a model of ModelScope", model("ms://ZhipuAI/glm-4-9b-chat-hf", revision="master")),
    Row("a model of ModelScope without an owner", model("ms://glm"), BAD_URI),
    Row("a model of ModelScope, cached", service(model={"uri": "ms://a/b"}, cloud={"cache": {"size": "40Gi"}})),
    Row(
        "a model of ModelScope at the edge",
        at_edge(model={"uri": "ms://a/b"}, download={"maxBytesPerSecond": 1_000_000}),
    ),
    Row(
        "adapters",
        model("hf://a/b", adapters=[{"name": "line-1", "uri": "hf://a/l1"}, {"name": "x", "uri": "hf://a/x"}]),
    ),
    Row("an adapter in S3", model("s3://models/glm", adapters=[{"name": "line-1", "uri": "s3://models/adapters/1"}])),
    Row("an adapter of a registry", model("oci://r/glm:v1", adapters=[{"name": "a", "uri": "oci://r/line-1:v2"}])),
    Row("an adapter at hand", model("hf://a/b", adapters=[{"name": "a", "uri": "pvc://a"}]), "or oci://REGISTRY/NAME"),
    Row("an adapter that climbs", model("s3://a-b/c", adapters=[{"name": "a", "uri": "s3://a-b/../c"}]), "'..' is not"),
    Row("an adapter from elsewhere", model("hf://a/b", adapters=[{"name": "a", "uri": "s3://models/a"}]), "one scheme"),
    Row("an adapter of a claim", model("pvc://weights", adapters=[{"name": "a", "uri": "hf://a/b"}]), "one scheme"),
    Row("an adapter twice", model("hf://a/b", adapters=[{"name": "a", "uri": "hf://a/b"}] * 2), ANY),
    Row("an adapter with a name that is none", model("hf://a/b", adapters=[{"name": "a b", "uri": "hf://a/b"}]), ANY),
    Row("adapters at the edge", service(model=ADAPTED, edge=[target()])),
    Row(
        "adapters beside another model at the edge",
        service(model=ADAPTED, edge=[target(model={"uri": "hf://a/small"})]),
        "are for spec.model alone",
    ),
    Row("a claim", model("pvc://weights/a/b")),
    Row("a claim without a path", model("pvc://weights")),
    Row("a directory of the node", model("file:///srv/models/glm")),
    Row("a hub model without an owner", model("hf://glm"), BAD_URI),
    Row("a scheme of tomorrow", model("gs://bucket/x"), BAD_URI),
    Row("a model in S3", model("s3://models/glm/4-9b@v1", endpoint="https://minio.example:9000")),
    Row("a bucket without a prefix", model("s3://models"), BAD_URI),
    Row("a bucket with a name that is none", model("s3://Models/glm"), BAD_URI),
    Row("a prefix that climbs", model("s3://models/../glm"), "'..' is not allowed"),
    Row("a model in a registry", model("oci://registry.example:5000/plant/glm-4_9b:v1", endpoint="http://mirror:5000")),
    Row("a model in a registry by digest", model(f"oci://docker.io/glm:v1@sha256:{'0' * 64}")),
    Row("a registry without a name", model("oci://registry.example"), BAD_URI),
    Row("a name that no registry takes", model("oci://registry.example/Glm"), BAD_URI),
    Row("half a digest", model("oci://registry.example/glm@sha256:00"), BAD_URI),
    Row("a revision of a registry", model("oci://registry.example/glm", revision="v1"), "use a tag or a digest"),
    Row("a model in a registry, cached", service(model={"uri": "oci://r/glm"}, cloud={"cache": {"size": "40Gi"}})),
    Row(
        "a model in a registry at the edge",
        at_edge(model={"uri": "oci://r/glm"}, download={"maxBytesPerSecond": 1_000_000}),
    ),
    Row("a revision of S3", model("s3://models/glm", revision="v1"), "a prefix of its own"),
    Row(
        "a store of the site's own",
        service(
            cloud={},
            edge=[
                target(
                    model={
                        "uri": "s3://models/glm",
                        "endpoint": "http://minio.plant:9000",
                        "proxyURL": "http://proxy:3128",
                        "credentialsSecretRef": {"name": "minio"},
                    }
                )
            ],
        ),
    ),
    Row("a store with a password", at_edge(model={"uri": "s3://models/a", "endpoint": "http://a:b@minio"}), ANY),
    Row("a Secret without a name", at_edge(model={"uri": "s3://models/a", "credentialsSecretRef": {}}), ANY),
    Row("a revision of S3 at the edge", at_edge(model={"uri": "s3://models/glm", "revision": "v1"}), "of its own"),
    Row("a model in S3, cached", service(model={"uri": "s3://models/glm"}, cloud={"cache": {"size": "40Gi"}})),
    Row(
        "a model in S3 at the edge",
        at_edge(model={"uri": "s3://models/glm"}, download={"maxBytesPerSecond": 1_000_000}),
    ),
    Row("a relative path", model("file://srv"), BAD_URI),
    Row("a path that climbs", model("file:///srv/../etc"), "'..' is not allowed"),
    Row("a claim that climbs", model("pvc://weights/../x"), "'..' is not allowed"),
    Row("a directory of the node in the cloud", service(model={"uri": "file:///srv/x"}, cloud={}), "spec.edge[].model"),
    Row("a claim at the edge", service(model={"uri": "pvc://w"}, edge=[target()]), "a model of its own"),
    Row(
        "a claim in the cloud and a directory at the edge",
        service(model={"uri": "pvc://w"}, cloud={}, edge=[target(model={"uri": "file:///srv/x"})]),
    ),
    Row("a claim as an edge target's own", at_edge(model={"uri": "pvc://w"}), "cannot be mounted while"),
    Row("the same alias twice", service(model={"uri": "hf://a/b", "aliases": ["x", "x"]}), ANY),
    Row("a served name that looks like a flag", service(model={"uri": "hf://a/b", "name": "--x"}), ANY),
    Row("a mirror behind a proxy", model("hf://a/b", endpoint="https://hub.example/hf", proxyURL="http://proxy:3128")),
    Row("a mirror with a password", model("hf://a/b", endpoint="https://user:pass@hub.example"), ANY),
    Row("a proxy with a password", model("hf://a/b", proxyURL="http://user:pass@proxy:3128"), ANY),
    *(Row(f"a cache: {kind}", service(cloud={"cache": {kind: where}})) for kind, where in CACHES.items()),
    Row("an image in place of a download", service(model=IN_REGISTRY, cloud=IMAGE_VOLUME)),
    Row(
        "an image that is pulled again",
        service(model=IN_REGISTRY, cloud={"cache": {"imageVolume": {"pullPolicy": "Always"}}}),
    ),
    Row(
        "an image that must be there",
        service(model=IN_REGISTRY, cloud={"cache": {"imageVolume": {"pullPolicy": "Never"}}}),
        ANY,
    ),
    Row("an image of no registry", service(cloud=IMAGE_VOLUME), "mounts an image"),
    *(
        Row(
            f"an image by a way of ours: {field}",
            service(model={**IN_REGISTRY, field: value}, cloud=IMAGE_VOLUME),
            BY_KUBELET,
        )
        for field, value in {
            "endpoint": "https://mirror.example",
            "proxyURL": "http://proxy.example",
            "credentialsSecretRef": {"name": "registry"},
            "adapters": [{"name": "line", "uri": "oci://registry.example/line:1"}],
        }.items()
    ),
    Row("a cache nowhere", service(cloud={"cache": {}}), ONE_CACHE),
    Row("a cache in two places", service(cloud={"cache": {"pvc": "weights", "size": "40Gi"}}), ONE_CACHE),
    Row("a cache that climbs", service(cloud={"cache": {"hostPath": "/srv/../etc"}}), ANY),
    Row("a cache in the node's root", service(cloud={"cache": {"hostPath": "/"}}), ANY),
    Row("a cache of no size", service(cloud={"cache": {"size": "large"}}), ANY),
    Row(
        "a cache for what is at hand",
        service(model={"uri": "pvc://weights"}, cloud={"cache": {"size": "40Gi"}}),
        "spec.cloud.cache is where a downloaded model is kept",
    ),
    Row("a bound on downloads", at_edge(download={"maxBytesPerSecond": 1_000_000})),
    Row("downloads at night", at_edge(download={"window": NIGHT})),
    Row("downloads at no time", at_edge(download={"window": NIGHT | {"end": "22:00"}}), "start and end are the same"),
    Row("no bound on downloads", at_edge(download={}), "set maxBytesPerSecond or window, or drop download"),
    Row("a bound on downloads that stops them", at_edge(download={"maxBytesPerSecond": 0}), ANY),
    Row(
        "a bound on what is not downloaded",
        at_edge(download={"maxBytesPerSecond": 1_000_000}, model={"uri": "file:///srv/x"}),
        "spec.edge[].download is for a model that is downloaded",
    ),
    Row(
        "a bound at the edge beside a claim in the cloud",
        service(
            model={"uri": "pvc://w"},
            cloud={},
            edge=[target(model={"uri": "hf://a/b"}, download={"maxBytesPerSecond": 1_000_000})],
        ),
    ),
    # InferenceService: the engine.
    Row("a flag", engine(extraArgs=["--enforce-eager", "--max-num-queued-reqs=5", "--compilation-config.mode=3"])),
    Row("an API key as a flag", engine(extraArgs=["--api-key=x"]), KEY_IN_ARGUMENTS),
    Row("an API key as a shortened flag", engine(extraArgs=["--api-k=x"]), KEY_IN_ARGUMENTS),
    Row("an API key with an underscore", engine(extraArgs=["--api_key=x"]), ANY),
    Row("a file of flags", engine(extraArgs=["--config=/x"]), "--config is reserved"),
    Row("a short option", engine(extraArgs=["-tp=2"]), ANY),
    Row("a value of its own", engine(extraArgs=["--x", "1"]), ANY),
    Row("a variable twice", engine(env=[{"name": "A"}, {"name": "A"}]), ANY),
    Row("an unknown dtype", engine(dtype="int4"), ANY),
    Row("all of the memory", engine(gpuMemoryUtilizationPercent=100)),
    Row("more than the memory", engine(gpuMemoryUtilizationPercent=101), ANY),
    Row("priorities and a bound on the queue", engine(scheduling={"policy": "Priority", "maxQueuedRequests": 512})),
    Row("a policy in vLLM's own words", engine(scheduling={"policy": "priority"}), ANY),
    Row("no queue at all", engine(scheduling={"maxQueuedRequests": 0}), ANY),
    Row("all ways to spread", engine(parallelism={"tensor": 2, "pipeline": 2, "data": 2, "expert": True})),
    Row("spread over nothing", engine(parallelism={"tensor": 0}), ANY),
    Row("a template of several lines", engine(chatTemplate="{% for m in messages %}\n{{ m.content }}{% endfor %}")),
    Row("a template too long for one argument", engine(chatTemplate="x" * 16385), ANY),
    Row("parsers and code of the model", engine(reasoningParser="glm45", toolCallParser="glm45", trustRemoteCode=True)),
    Row("a parser that brings a flag along", engine(toolCallParser="x --api-key=y"), ANY),
    Row("Secrets for the registry", engine(imagePullSecrets=[{"name": "a"}, {"name": "b"}])),
    Row("a Secret for the registry twice", engine(imagePullSecrets=[{"name": "a"}, {"name": "a"}]), ANY),
    Row("a shape", model("hf://a/b", shape=SHAPE)),
    Row("a shape of a mixture", model("hf://a/b", shape={**SHAPE, "expertParameters": 1000, "weights": "5300M"})),
    Row("all are experts", model("hf://a/b", shape={**SHAPE, "expertParameters": 10**10}), "must be fewer"),
    Row("a shape without heads", model("hf://a/b", shape={**SHAPE, "kvHeads": 0}), ANY),
    Row("half a shape", model("hf://a/b", shape={"parameters": 10**9}), ANY),
    Row("a shape at the edge", at_edge(model={"uri": "file:///srv/x", "shape": SHAPE})),
    Row("the memory of an accelerator", service(cloud={"accelerator": {"memory": "80G"}})),
    Row("a memory that is none", service(cloud={"accelerator": {"memory": "much"}}), ANY),
    Row("a preset", service(preset="glm-4-9b-chat@1")),
    Row("a preset without a version", service(preset="glm-4-9b-chat"), ANY),
    Row("a preset of version zero", service(preset="generic@0"), ANY),
    Row("an unknown field", engine(maxModelLenn=1), ANY),
    Row("a number as text", engine(maxModelLen="8192"), ANY),
    Row("an API key in an edge target", at_edge(engine={"extraArgs": ["--api-key=x"]}), KEY_IN_ARGUMENTS),
    # InferenceService: accelerators.
    Row("a slice of a GPU", accelerator(resource="nvidia.com/mig-1g.5gb")),
    Row("a share of a GPU", accelerator(resource="nvidia.com/gpu.shared")),
    Row("two shares of a GPU", accelerator(resource="nvidia.com/gpu.shared", count=2), "no larger for being counted"),
    Row("two shares at the edge", at_edge(accelerator={"resource": "nvidia.com/gpu.shared", "count": 2}), "count to 1"),
    Row("products", accelerator(products=["NVIDIA-H100-80GB-HBM3", "NVIDIA-H200"], memory="80G")),
    Row("products of a slice", accelerator(resource="nvidia.com/mig-1g.5gb", products=["A100-SXM4-40GB-MIG-1g.5gb"])),
    Row("no products", accelerator(products=[]), ANY),
    Row("a product with a blank", accelerator(products=["NVIDIA H100"]), ANY),
    Row("products of another vendor", accelerator(resource="amd.com/gpu", products=["MI300X"]), "spec.cloud.nodeSel"),
    Row("memory of another vendor", accelerator(resource="amd.com/gpu", memory="192G")),
    Row("a claim of devices", accelerator(claimTemplateName="h100", count=2, memory="80G")),
    Row("a claim and a resource", accelerator(claimTemplateName="h100", resource="nvidia.com/gpu"), "set one of the"),
    Row("a claim and products", accelerator(claimTemplateName="h100", products=["NVIDIA-H200"]), "leave products out"),
    Row("a claim of devices at the edge", at_edge(accelerator={"claimTemplateName": "h100"}), ANY),
    Row("products at the edge", at_edge(accelerator={"products": ["NVIDIA-H200"]}), ANY),
    # InferenceService: where in the cloud.
    Row("nodes by a label", nodes_with(key="zone", operator="In", values=["a", "b"])),
    Row("nodes by a number", nodes_with(key="nvidia.com/gpu.memory", operator="Gt", values=["40000"])),
    Row("nodes by no number", nodes_with(key="zone", operator="Gt", values=["a"]), "one whole number"),
    Row("nodes by two numbers", nodes_with(key="zone", operator="Lt", values=["1", "2"]), "one whole number"),
    Row("nodes in nothing", nodes_with(key="zone", operator="In"), "In and NotIn need values"),
    Row("nodes that have a value", nodes_with(key="zone", operator="Exists", values=["a"]), "take no values"),
    Row("nodes by an unknown operator", nodes_with(key="zone", operator="Like", values=["a"]), ANY),
    Row("no terms", cloud(affinity={"nodeAffinity": _required()}), ANY),
    Row("an empty term", cloud(affinity={"nodeAffinity": _required({"matchExpressions": []})}), "meets no node"),
    Row(
        "a node by name",
        cloud(
            affinity={
                "nodeAffinity": _required(
                    {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["gpu-1"]}]}
                )
            }
        ),
    ),
    Row("far from pods", pods_with(key="app", operator="In", values=["a"])),
    Row("far from pods in nothing", pods_with(key="app", operator="In"), "In and NotIn need values, Exists"),
    Row(
        "near pods",
        cloud(
            affinity={
                "podAffinity": {
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        {"weight": 100, "podAffinityTerm": {"topologyKey": HOST, "namespaceSelector": {}}}
                    ]
                }
            }
        ),
    ),
    Row("an affinity of no kind", cloud(affinity={"siteAffinity": {}}), ANY),
    Row("spread", spread(minDomains=2, nodeTaintsPolicy="Honor", matchLabelKeys=["pod-template-hash"])),
    Row("spread over places that nobody minds", spread(minDomains=2, whenUnsatisfiable="ScheduleAnyway"), "minDomains"),
    Row("spread without a skew", spread(maxSkew=0), ANY),
    Row(
        "names of others",
        cloud(
            serviceAccountName="llm",
            schedulerName="volcano",
            priorityClassName="alarms",
            runtimeClassName="nvidia",
        ),
    ),
    Row("a name that is none", cloud(serviceAccountName="LLM"), ANY),
    # InferenceService: what pods carry and mount in the cloud.
    Row("a label for a queue", cloud(podMetadata={"labels": {"kueue.x-k8s.io/queue-name": "llm", "team": "a"}})),
    Row("an annotation", cloud(podMetadata={"annotations": {"sidecar.istio.io/inject": "false"}})),
    Row("a label of ours", cloud(podMetadata={"labels": {"edgeglm.io/place": "edge"}}), KEY_TAKEN),
    Row("a recommended label", cloud(podMetadata={"labels": {"app.kubernetes.io/instance": "x"}}), KEY_TAKEN),
    Row("the label of a revision", cloud(podMetadata={"labels": {"pod-template-hash": "x"}}), KEY_TAKEN),
    Row("an annotation of ours", cloud(podMetadata={"annotations": {"edgeglm.io/engine-log": "{}"}}), KEY_TAKEN),
    Row(
        "an annotation that takes AppArmor away",
        cloud(podMetadata={"annotations": {"container.apparmor.security.beta.kubernetes.io/engine": "unconfined"}}),
        KEY_TAKEN,
    ),
    Row("a label of no key", cloud(podMetadata={"labels": {"a/b/c": "x"}}), BAD_KEY),
    Row("an annotation with a long key", cloud(podMetadata={"annotations": {"a" * 64: "x"}}), BAD_KEY),
    Row("a label with a blank", cloud(podMetadata={"labels": {"a": "b c"}}), ANY),
    Row("a ConfigMap", volume(configMap={"name": "x", "items": [{"key": "a", "path": "b/a"}], "optional": True})),
    Row("a Secret", volume(secret={"secretName": "x"})),
    Row("an empty directory in memory", volume(emptyDir={"medium": "Memory", "sizeLimit": "1Gi"})),
    Row("a claim as a volume", volume(persistentVolumeClaim={"claimName": "x", "readOnly": True})),
    Row("an image as a volume", volume(image={"reference": "registry.example/x@sha256:0", "pullPolicy": "Always"})),
    Row("a volume of nothing", volume(), ONE_SOURCE),
    Row("a volume of two things", volume(emptyDir={}, secret={"secretName": "x"}), ONE_SOURCE),
    *(
        Row(f"a volume of the kind {kind}", volume(**{kind: {}}), ANY)
        for kind in ("hostPath", "projected", "csi", "nfs", "ephemeral", "downwardAPI")
    ),
    Row(
        "a file of a ConfigMap that climbs",
        volume(configMap={"name": "x", "items": [{"key": "a", "path": "../a"}]}),
        ANY,
    ),
    Row("a volume twice", cloud(volumes=[{"name": "x", "emptyDir": {}}] * 2), ANY),
    Row("a mount", mount("/data/x", readOnly=True, subPath="a/b")),
    Row("a mount of nothing", mount("/data", name="z"), "add the volume, or correct the name"),
    Row("a mount without volumes", cloud(volumeMounts=[{"name": "x", "mountPath": "/data"}]), "add the volume"),
    Row("a mount beside ours", mount("/etc/edge")),
    Row("a mount beside ours with a longer name", mount("/cached")),
    *(
        Row(f"a mount at {path}", mount(path), PATH_TAKEN)
        for path in ("/cache", "/cache/huggingface", "/dev", "/dev/shm", "/etc", "/etc/edgeglm/x", "/models/x", "/tmp")
    ),
    *(Row(f"a mount at {path}", mount(path), ANY) for path in ("/", "/a/../cache", "/./tmp", "//tmp", "/a/", "data")),
    Row("a part that climbs", mount("/data", subPath="../a"), ANY),
    # InferenceService: the rest.
    Row("the default bounds on waiting", service(timeouts={})),
    Row(
        "a deadline below the start",
        service(timeouts={"progressDeadlineSeconds": 1800}),
        "must be above startupSeconds",
    ),
    Row("a deadline of two weeks", service(timeouts={"progressDeadlineSeconds": 1209600})),
    Row("a deadline beyond two weeks", service(timeouts={"progressDeadlineSeconds": 1209601}), ANY),
    Row(
        "a start beyond the default deadline",
        service(timeouts={"startupSeconds": 3600}),
        "must be above startupSeconds",
    ),
    Row("quantities as numbers and text", service(cloud={"resources": {"requests": {"cpu": 2, "memory": "8Gi"}}})),
    Row("a quantity that is none", service(cloud={"resources": {"requests": {"cpu": "lots"}}}), ANY),
    Row("a resource without a domain", service(cloud={"accelerator": {"resource": "gpu"}}), ANY),
    Row("an external address with a path", service(cloud={"externalURL": "https://x/v1"}), ANY),
    Row("an external address", service(cloud={"externalURL": "https://llm.example:8443"})),
    Row("a budget of one's own", service(cloud={"disruptionBudget": "None"})),
    Row("a budget of a number", service(cloud={"disruptionBudget": "2"}), ANY),
    Row("the serving port for all", service(cloud={"networkPolicy": {}})),
    Row("the serving port for some", reached_from({"namespaceSelector": {"a": "b"}, "podSelector": {"c": "d"}})),
    Row("the serving port for addresses", reached_from({"cidr": "10.0.0.0/8"}, {"cidr": "fd00::/8"})),
    Row("the serving port for nobody", reached_from(), ANY),
    Row("both pods and addresses", reached_from({"cidr": "10.0.0.0/8", "podSelector": {"c": "d"}}), "say either cidr"),
    Row("neither pods nor addresses", reached_from({}), "say either cidr"),
    Row("an address without a mask", reached_from({"cidr": "10.0.0.1"}), ANY),
    Row("a key to ask with", service(auth={"apiKeySecretRef": {"name": "keys", "key": "llm"}})),
    Row("no key of the Secret", service(auth={"apiKeySecretRef": {"name": "keys"}}), ANY),
    Row("a port of the system", at_edge(port=80), ANY),
    Row("a group", at_edge(sites={"nodeGroup": "hangzhou"})),
    Row("labels", at_edge(sites={"nodeSelector": {"zone": "north"}})),
    Row("no selector", at_edge(sites={}), ONE_SELECTOR),
    Row("two selectors", at_edge(sites={"nodeGroup": "a", "nodeNames": ["b"]}), ONE_SELECTOR),
    Row("no labels", at_edge(sites={"nodeSelector": {}}), ANY),
    Row("a target twice", service(edge=[target(), target()]), ANY),
    Row("a service that rests", service(suspend=True)),
    Row("a service that rests by a word", service(suspend="yes"), ANY),
    Row("a replica over several nodes", service(cloud={"nodesPerReplica": 2, "accelerator": {"count": 8}})),
    Row("a replica over one node", service(cloud={"nodesPerReplica": 1, "accelerator": {}}), ANY),
    Row("several nodes without accelerators", service(cloud={"nodesPerReplica": 2}), "set accelerator, or drop"),
    Row("by Knative", in_knative()),
    Row("by whom one always gets", cloud(deploymentMode="Standard", autoscaling={"maxReplicas": 2})),
    Row("by who is not known", cloud(deploymentMode="Serverless"), ANY),
    Row(
        "by Knative over several nodes",
        in_knative(nodesPerReplica=2, accelerator={}),
        "a replica of Knative is one pod",
    ),
    Row("by Knative, two", in_knative(replicas=2)),
    Row("by Knative, none", in_knative(replicas=0), "set spec.suspend"),
    Row("scaled to none under Knative", in_knative(replicas=0), "set spec.suspend", old=in_knative(replicas=1)),
    Row("by Knative, with a surge", in_knative(rollout={"strategy": "Surge"})),
    Row("by Knative, in place", in_knative(rollout={"strategy": "InPlace"}), "brings a new revision up beside"),
    Row(
        "by Knative, a surge or in place",
        in_knative(rollout={"surgeWaitSeconds": 9}),
        "brings a new revision up beside",
    ),
    Row("by Knative, closed", in_knative(networkPolicy={}), "would close the ports of Knative"),
    Row("by Knative, with a device", in_knative(accelerator={"claimTemplateName": "gpu"}), "takes no resource claims"),
    Row("by Knative, with a GPU", in_knative(accelerator={"count": 1})),
    Row("by Knative, following the load", in_knative(autoscaling={"minReplicas": 2, "maxReplicas": 3})),
    Row("by Knative, woken by it", in_knative(autoscaling=woken_by("Knative"))),
    Row("by Knative, two or none", in_knative(autoscaling=woken_by("Knative", minReplicas=2)), "down to one before"),
    Row("by Knative, woken by KEDA", in_knative(autoscaling=woken_by("HTTPAddon")), "the activator Knative"),
    Row("by Knative, woken by somebody", in_knative(autoscaling=woken_by("External")), "the activator Knative"),
    Row("woken by Knative, that makes nothing", cloud(autoscaling=woken_by("Knative")), "the activator Knative"),
    Row("by Knative, with a route", service(cloud=KNATIVE, routing=ROUTE), "has a route of its own"),
    Row("by Knative, verified", service(cloud=KNATIVE, verification={"concurrency": 4}), "is not verified"),
    Row(
        "by Knative, verified at sites",
        service(cloud=KNATIVE, edge=[target()], verification={"concurrency": 4}),
    ),
    Row("by Knative, not verified", service(cloud=KNATIVE, verification={"concurrency": 0})),
    Row("an autoscaler", autoscaled()),
    Row("an autoscaler in full", autoscaled(minReplicas=2, inFlightPerReplica=8, scaleDownDelaySeconds=0)),
    Row("an autoscaler without a bound", service(cloud={"autoscaling": {}}), ANY),
    Row("an autoscaler down to zero", autoscaled(minReplicas=0), ANY),
    Row("an autoscaler that requests wake", autoscaled(scaleToZero={"activator": "HTTPAddon"})),
    Row("an autoscaler that somebody wakes", autoscaled(scaleToZero={"activator": "External"})),
    Row("zero without anybody who wakes", autoscaled(scaleToZero={}), ANY),
    Row("zero with an activator that is none", autoscaled(scaleToZero={"activator": "Prometheus"}), ANY),
    Row("a pool past who wakes", pooled("HTTPAddon"), "leads past KEDA's HTTP Add-on"),
    Row("a pool of what somebody wakes", pooled("External")),
    Row("more at least than at most", autoscaled(minReplicas=5), "must not be above maxReplicas"),
    Row(
        "a number beside an autoscaler",
        service(cloud={"replicas": 2, "autoscaling": {"maxReplicas": 4}}),
        "set spec.cloud.replicas or spec.cloud.autoscaling, not both",
    ),
    Row("a route", routed("llm.example.com", "*.example.org", namespace="gateways", sectionName="https", port=443)),
    Row("a route to nowhere", service(routing={"httpRoute": {"parentRefs": []}}), ANY),
    Row("a route by model", routed_by("X-Gateway-Model-Name")),
    Row("a route by a header that is none", routed_by("X-Gateway-Model-Name:"), ANY),
    Row("a route by no header", routed_by(""), ANY),
    Row("a pool", service(routing={"inferencePool": {"endpointPicker": {"name": "picker", "port": 9003}}})),
    Row("a pool without a picker", service(routing={"inferencePool": {}}), ANY),
    Row(
        "a pool whose picker is no Service",
        service(routing={"inferencePool": {"endpointPicker": {"name": "a.b"}}}),
        ANY,
    ),
    Row("a route by a name that is none", routed("llm_example"), ANY),
    Row("a route to the edge", service(edge=[target()], routing={}), "spec.routing leads to the cloud replicas"),
    Row("a long request", service(timeouts={"requestSeconds": 86400})),
    Row("a request of no time", service(timeouts={"requestSeconds": 0}), ANY),
    Row("a monitor", service(monitoring={"podMonitor": True})),
    Row("a monitor of the edge", service(edge=[target()], monitoring={}), "spec.monitoring reads the cloud replicas"),
    # SensorGraph.
    Row("a graph that rests", graph(suspend=True)),
    Row("a graph", graph()),
    *(
        Row(f"a graph without {field}", graph(without=field), ANY)
        for field in ("sites", "broker", "sources", "window", "reasoning", "output")
    ),
    Row("a graph with a long name", graph("a" * 53), "at most 52"),
    Row("two selectors of a graph", graph(sites={"nodeGroup": "a", "nodeNames": ["b"]}), ONE_SELECTOR),
    Row("parameters in the broker's address", graph(broker={"url": "mqtt://${site.host}:${site.port}"})),
    Row(
        "a broker with TLS",
        graph(
            broker={"url": "mqtts://${site.broker}:8883", "caSecretRef": {"name": "ca"}, "secretRef": {"name": "me"}}
        ),
    ),
    Row("a broker with a user, without TLS", graph(broker={"url": "mqtt://127.0.0.1", "secretRef": {"name": "me"}})),
    Row(
        "an authority without TLS",
        graph(broker={"url": "mqtt://host", "caSecretRef": {"name": "ca"}}),
        "caSecretRef is for mqtts:// only",
    ),
    Row("a broker with a password", graph(broker={"url": "mqtt://user:pass@host"}), ANY),
    Row("a broker of another kind", graph(broker={"url": "https://host"}), ANY),
    Row("no sources", graph(sources=[]), ANY),
    Row("a source twice", graph(sources=[source(), source()]), ANY),
    Row("a topic of fixed levels", graph(sources=[source(topic="a/b", entity={"type": "M", "id": "m"})])),
    Row("a wildcard", graph(sources=[source(topic="plant/+/vibration")]), ANY),
    Row("half a level captured", graph(sources=[source(topic="plant/m-{machine}")]), ANY),
    Row("an empty level", graph(sources=[source(topic="plant//x")]), ANY),
    Row("a topic of the broker's own", graph(sources=[source(topic="$SYS/x")]), ANY),
    Row("a measurement twice", graph(sources=[source(measurements=[{"property": "a", "path": "$.a"}] * 2)]), ANY),
    Row("a deep path", measuring(path="$.a.b[0].c-d")),
    Row("a path that is none", measuring(path="rms"), ANY),
    Row("a path with odd names", measuring(path="$['a b'].c")),
    Row("a path of the item", measuring(path="@.v")),
    Row("a path of many values", measuring(path="$.a[*]"), ANY),
    Row("a batch", graph(sources=[source(forEach="$.a[*].items[*]")])),
    Row("a batch of one", graph(sources=[source(forEach="$.items")]), ANY),
    Row("an id of the payload", graph(sources=[source(entity={"type": "M", "id": "{line}/{$.a['b c']}/{@.d[0]}"})])),
    Row("an id of no path", graph(sources=[source(entity={"type": "M", "id": "{$a}"})]), ANY),
    Row("another name", graph(sources=[source(entity={"type": "M", "id": "m", "aliases": {"TAG-7": "m"}})])),
    Row("words for numbers", measuring(map={"low": "-1", "high": "2.5"})),
    Row("words for words", measuring(map={"low": "below"}), "map must lead to numbers"),
    Row("words for a Boolean", measuring(type="Boolean", map={"ON": "true", "OFF": "false"})),
    Row("numbers for a Boolean", measuring(type="Boolean", map={"ON": "1"}), "lead to true and false"),
    Row("a quality", measuring(quality={"path": "$.q", "good": ["GOOD", "192"]})),
    Row("a quality of nothing", measuring(quality={"path": "$.q", "good": []}), ANY),
    Row("a rate of readings", graph(sources=[source(limits={"readingsPerSecond": 1000, "entities": 50})])),
    Row("a rate of none", graph(sources=[source(limits={"readingsPerSecond": 0})]), ANY),
    Row("SenML", senml(name="urn:dev:mac:{mac}:temp")),
    Row("SenML by path", measuring_in("SenML", path="$.v"), "needs a name"),
    Row("SenML with a quality", senml(name="a", quality={"path": "$.q", "good": ["1"]}), "neither path nor quality"),
    Row("SenML with two captures side by side", senml(name="{a}{b}"), ANY),
    Row(
        "SenML with a timestamp",
        graph(
            sources=[source(format="SenML", measurements=[{"property": "a", "name": "a"}], timestamp={"path": "$.t"})]
        ),
        "are for JSON",
    ),
    Row("SensorThings", measuring_in("SensorThings")),
    Row("SensorThings of a Datastream", measuring_in("SensorThings", name="42", path="$.result.x")),
    Row("SparkplugB", sparkplug()),
    Row("SparkplugB of nodes", sparkplug("spBv1.0/plant-a/{message}/{node}")),
    Row("SparkplugB elsewhere", sparkplug("plant/{line}/{machine}"), "spBv1.0/{group}/{message}/{node}/{device}"),
    Row("SparkplugB of one kind", sparkplug("spBv1.0/{group}/DDATA/{node}/{device}"), "spBv1.0/{group}/{message}"),
    Row("SparkplugB by path", sparkplug(path="$.v"), "neither path nor quality"),
    Row("SparkplugB with a state of births", sparkplug(property="connection"), "what births and deaths say"),
    Row("JSON by name", measuring_in("JSON", path="$.v", name="a"), "needs a path"),
    Row("JSON by nothing", measuring_in("JSON"), "needs a path"),
    Row("a state", stating(map={"1": "OPEN", "0": "CLOSED"})),
    Row("a state in SenML", stating(without="path", name="breaker", form="SenML")),
    Row("a graph that is tried", graph(mode="Shadow")),
    Row("a graph in a strange mode", graph(mode="Dry"), ANY),
    Row("an operating state", stating(operatingState=True)),
    Row("an operating state that is measured", measuring(operatingState=True), "for the measurements of a State"),
    Row("an event", happening()),
    Row("events that are told", happening(limits={"eventsPerNode": 3})),
    Row("too many events to tell", happening(limits={"eventsPerNode": 33}), ANY),
    Row("an event of numbers", graph(sources=[source(kind="Event")]), "are of type Enum"),
    Row("a source that is missed", graph(sources=[source(expectEverySeconds=60)])),
    Row("a source that is missed at once", graph(sources=[source(expectEverySeconds=0)]), ANY),
    Row("a state of numbers", graph(sources=[source(kind="State")]), "are of type Enum"),
    Row("telemetry of words", measuring(type="Enum"), "are of type Enum"),
    Row("a word with a limit", stating(limits={"high": 1}), "an Enum is a word"),
    Row("a word with a unit", stating(unit="V"), "an Enum is a word"),
    Row("a relation", relating()),
    Row("a relation that begins for a while", relating(op="Add", ttlSeconds=3600)),
    Row("a relation as the payload says", relating(opFrom={"path": "$.on", "map": {"true": "Add", "false": "Remove"}})),
    Row("a relation said twice", relating(op="Add", opFrom={"path": "$.a", "map": {"a": "Add"}}), "not both"),
    Row("a relation that does what else", relating(opFrom={"path": "$.a", "map": {"a": "Toggle"}}), ANY),
    Row("a relation that measures", graph(sources=[source(kind="Relation")]), "has no measurements"),
    Row("a relation to nothing", graph(sources=[related_source(relations=[])]), "needs relations"),
    Row("a relation in SenML", graph(sources=[related_source(format="SenML")]), "needs relations, and the format JSON"),
    Row(
        "telemetry with a relation that begins",
        graph(sources=[source(relations=[{"type": "in", "to": {"type": "Bed", "id": "b"}, "op": "Add"}])]),
        "are for sources of kind Relation",
    ),
    Row("a text", graph(sources=[source(text=[{"property": "note", "path": "$.note", "maxChars": 500}])])),
    Row("nothing but a text", graph(sources=[texted()])),
    Row("a text without end", graph(sources=[source(text=[{"property": "a", "path": "$.a", "maxChars": 501}])]), ANY),
    Row("a text from nowhere", graph(sources=[source(text=[{"property": "note"}])]), ANY),
    Row("a text of a relation", graph(sources=[texted(kind="Relation")]), "no text"),
    Row("a text in SenML", graph(sources=[texted(format="SenML")]), "text is for JSON"),
    Row("telemetry of nothing", graph(sources=[related_source(kind="Telemetry")]), "needs some"),
    Row("a range", measuring(min=0, max=50.5)),
    Row("an upside-down range", measuring(min=50, max=0.5), "min must be below max"),
    Row("rising limits", measuring(limits={"lowLow": -1, "low": 0, "high": 7.1, "highHigh": 11})),
    Row("a rate of change", measuring(limits={"rate": 0.5})),
    Row("a rate of change below nothing", measuring(limits={"rate": -1}), ANY),
    Row("a hysteresis", measuring(limits={"high": 7.1, "hysteresis": 0.5})),
    Row("a hysteresis of nothing", measuring(limits={"hysteresis": 0.5}), "needs a limit"),
    Row(
        "a hysteresis that never ends",
        measuring(limits={"low": 1, "high": 2, "hysteresis": 1.5}),
        "no breach would end",
    ),
    Row("a hysteresis below nothing", measuring(limits={"high": 7.1, "hysteresis": -1}), ANY),
    Row("one limit", measuring(limits={"highHigh": 11})),
    Row("falling limits", measuring(limits={"high": 11, "highHigh": 7.1}), RISING),
    Row("low above high", measuring(limits={"low": 8, "high": 7}), RISING),
    Row("an unknown kind of window", graph(window={"type": "Session", "sizeSeconds": 10}), ANY),
    Row("a derived property", graph(derived=[{"property": "imbalance", "expr": "a - b", "limits": {"high": 1}}])),
    Row("a derived property over neighbours", graph(derived=[{"property": "x", "expr": "a - sum(^feeds.a)"}])),
    Row("a derived property with a quote", graph(derived=[{"property": "x", "expr": "a['b']"}]), ANY),
    Row("a derived property twice", graph(derived=[{"property": "x", "expr": "a"}] * 2), ANY),
    Row(
        "falling limits of what is derived",
        graph(derived=[{"property": "x", "expr": "a", "limits": {"high": 2, "highHigh": 1}}]),
        RISING,
    ),
    Row("a sliding window", graph(window={"type": "Sliding", "sizeSeconds": 60, "slideSeconds": 10})),
    Row("a sliding window that stands", graph(window={"type": "Sliding", "sizeSeconds": 10}), "needs slideSeconds"),
    Row("a tumbling window that slides", graph(window={"sizeSeconds": 10, "slideSeconds": 5}), "no other has it"),
    Row("sessions", graph(window={"type": "Session", "sizeSeconds": 600, "gapSeconds": 30})),
    Row("sessions without a gap", graph(window={"type": "Session", "sizeSeconds": 600}), "a Session needs gapSeconds"),
    Row("a gap of a tumbling window", graph(window={"sizeSeconds": 60, "gapSeconds": 30}), "no other window has it"),
    Row("gaps that do not fit", graph(window={"type": "Session", "sizeSeconds": 50, "gapSeconds": 30}), "multiple"),
    Row("too many gaps", graph(window={"type": "Session", "sizeSeconds": 61, "gapSeconds": 1}), "at most 60 times"),
    Row(
        "sessions that slide",
        graph(window={"type": "Session", "sizeSeconds": 60, "gapSeconds": 30, "slideSeconds": 30}),
        "no other has it",
    ),
    Row(
        "sessions that are made anew",
        graph(
            window={"type": "Session", "sizeSeconds": 60, "gapSeconds": 30, "late": "Revise", "lateWithinSeconds": 60}
        ),
        "late must be Drop",
    ),
    Row("slides that do not fit", graph(window={"type": "Sliding", "sizeSeconds": 10, "slideSeconds": 3}), "multiple"),
    Row("too many slides", graph(window={"type": "Sliding", "sizeSeconds": 61, "slideSeconds": 1}), "at most 60 times"),
    Row("late readings that count", graph(window={"sizeSeconds": 10, "late": "Backfill", "lateWithinSeconds": 1280})),
    Row("late readings that count for ever", graph(window={"sizeSeconds": 10, "late": "Revise"}), "need lateWithin"),
    Row("late readings that do not count", graph(window={"sizeSeconds": 10, "lateWithinSeconds": 60}), "Drop has none"),
    Row(
        "late readings of too many windows",
        graph(
            window={
                "type": "Sliding",
                "sizeSeconds": 60,
                "slideSeconds": 10,
                "late": "Revise",
                "lateWithinSeconds": 1281,
            }
        ),
        "at most 128 times",
    ),
    Row("a window of nothing", graph(window={"sizeSeconds": 0}), ANY),
    Row("an endpoint of one's own", graph(reasoning={"endpoint": {"url": "https://host/v1", "model": "m"}})),
    Row("an endpoint that charges", endpoint(metered=True, limits={"requestsPerMinute": 60, "tokensPerMinute": 9000})),
    Row("an endpoint with a key and authorities", endpoint(secretRef=KEY, caSecretRef={"name": "ca.plant"})),
    Row("a key of an endpoint without its name", endpoint(secretRef={"name": "hub"}), ANY),
    Row("a key of an endpoint that is no file", endpoint(secretRef={"name": "hub", "key": ".."}), ANY),
    Row("a key of an endpoint in another folder", endpoint(secretRef={"name": "..", "key": "api"}), ANY),
    Row("a key of an endpoint beneath", endpoint(secretRef={"name": "hub", "key": "a/b"}), ANY),
    Row("authorities without TLS", endpoint(url="http://host/v1", caSecretRef={"name": "ca"}), "for https:// only"),
    Row("an endpoint with limits that are none", endpoint(limits={}), ANY),
    Row("an endpoint that may never be asked", endpoint(limits={"requestsPerMinute": 0}), ANY),
    Row("an endpoint that may be asked for nothing", endpoint(limits={"tokensPerMinute": 10}), ANY),
    Row("nobody to ask", graph(reasoning={}), "exactly one of serviceRef and endpoint"),
    Row(
        "two to ask",
        graph(reasoning={"serviceRef": {"name": "a"}, "endpoint": {"url": "https://h/v1", "model": "m"}}),
        "exactly one of serviceRef and endpoint",
    ),
    Row("a route that escalates", graph(reasoning=reasoning(route="Escalate"))),
    Row("an unknown route", graph(reasoning=reasoning(route="Nearest")), ANY),
    *(
        Row(f"the priority {priority}", graph(reasoning={"serviceRef": {"name": "a"}, "priority": priority}))
        for priority in ("High", "Normal", "Low")
    ),
    Row("a priority in vLLM's numbers", graph(reasoning={"serviceRef": {"name": "a"}, "priority": 1}), ANY),
    Row("a priority that is none", graph(reasoning={"serviceRef": {"name": "a"}, "priority": "Urgent"}), ANY),
    *(
        Row(f"data for the cloud: {cloud}", graph(reasoning=reasoning(dataPolicy={"cloud": cloud})))
        for cloud in ("Never", "Pseudonymised", "Allowed")
    ),
    *(
        Row(f"after it was fresh: {after}", graph(reasoning=reasoning(afterFresh=after)))
        for after in ("Skip", "Summarise", "AnswerAll")
    ),
    Row("after it was fresh: what nobody defined", graph(reasoning=reasoning(afterFresh="Replay")), ANY),
    Row("a data policy of nothing", graph(reasoning=reasoning(dataPolicy={})), ANY),
    Row("a data policy that is none", graph(reasoning=reasoning(dataPolicy={"cloud": "Sometimes"})), ANY),
    *(
        Row(
            f"{route} where nothing may go",
            graph(reasoning=reasoning(route=route, dataPolicy={"cloud": "Never"})),
            "dataPolicy lets nothing go there",
        )
        for route in ("CloudOnly", "PreferCloud", "Escalate")
    ),
    Row("EdgeOnly where nothing may go", graph(reasoning=reasoning(route="EdgeOnly", dataPolicy={"cloud": "Never"}))),
    Row(
        "a question of one's own that is left out",
        graph(question=CUSTOM, reasoning=reasoning(dataPolicy={"cloud": "Pseudonymised"})),
        "which Pseudonymised leaves out",
    ),
    Row(
        "a question of one's own that stays",
        graph(question=CUSTOM, reasoning=reasoning(route="EdgeOnly", dataPolicy={"cloud": "Pseudonymised"})),
    ),
    Row("a life of findings", graph(findings={"remindEverySeconds": 60, "clearAfterWindows": 1})),
    Row("findings that are over at once", graph(findings={"clearAfterWindows": 0}), ANY),
    Row("findings told without end", graph(findings={"remindEverySeconds": 0}), ANY),
    Row("commands", graph(findings={"commands": {"topic": "commands/{graph}", "keySecretRef": KEY_REF}})),
    Row("commands without a key", graph(findings={"commands": {"topic": "commands"}}), ANY),
    Row("commands on many topics", graph(findings={"commands": {"topic": "commands/+", "keySecretRef": KEY_REF}}), ANY),
    Row("an output for all", graph(output={"topic": "insights", "qos": 0, "retain": True})),
    Row("an output with a wildcard", graph(output={"topic": "insights/#"}), ANY),
    Row("an output with an unknown place", graph(output={"topic": "insights/{site}"}), ANY),
    Row("an output with QoS 2", graph(output={"topic": "insights", "qos": 2}), ANY),
    *(Row(f"the task {task}", graph(question={"task": task})) for task in ("RootCause", "Explanation")),
    Row("labels to choose from", graph(question={"task": "Classification", "labels": ["calm", "over load"]})),
    Row(
        "one label is no choice", graph(question={"task": "Classification", "labels": ["calm"]}), "at least two labels"
    ),
    Row("a label with a line break", graph(question={"task": "Custom", "labels": ["a\nb"]}), ANY),
    Row("labels that nobody chooses from", graph(question={"labels": ["a", "b"]}), "only the tasks Classification and"),
    Row("a question of one's own", graph(question={"task": "Custom", "instructions": "Who?", "labels": ["a"]})),
    Row("a question of one's own that is none", graph(question={"task": "Custom"}), "needs instructions"),
    Row("links to complete", graph(question={"task": "LinkCompletion", "relationTypes": [{"type": "feeds"}]})),
    Row("links of no type", graph(question={"task": "LinkCompletion"}), "needs relationTypes"),
    Row(
        "relations that nobody adds", graph(question={"relationTypes": [{"type": "a"}]}), "only the task LinkCompletion"
    ),
    Row(
        "detectors",
        graph(question={"when": {"detectors": ["Limit", "ZScore", "StateChange", "Silence", "Rate", "Trend"]}}),
    ),
    Row("the same detector twice", graph(question={"when": {"detectors": ["Limit", "Limit"]}}), ANY),
    Row("hops", graph(graph={"hops": 2})),
    Row("too many hops", graph(graph={"hops": 17}), ANY),
    Row("an adapter", graph(reasoning={"serviceRef": {"name": "llm", "adapter": "line-1"}})),
    Row("an adapter with a slash", graph(reasoning={"serviceRef": {"name": "llm", "adapter": "a/b"}}), ANY),
    Row("a topology of a ConfigMap", graph(topology={"configMapRef": {"name": "plant", "key": "line-1.json"}})),
    Row("no key", graph(topology={"configMapRef": {"name": "plant"}}), ANY),
    Row("a key with a slash", graph(topology={"configMapRef": {"name": "plant", "key": "a/b"}}), ANY),
    Row("a topology of all Devices", graph(topology={"devices": {}})),
    Row(
        "a topology of Devices beside nodes",
        graph(
            topology={
                "nodes": [{"id": "l1", "type": "Line"}],
                "devices": {
                    "selector": {"plant.example.com/area": "pumps"},
                    "idFromLabel": "plant.example.com/tag",
                    "types": {"pump-v2": "Pump"},
                    "relations": [{"type": "partOf", "to": {"type": "Line", "idFromLabel": "line"}}],
                },
            }
        ),
    ),
    Row("Devices of a type with a dash", graph(topology={"devices": {"types": {"a": "a-b"}}}), ANY),
    Row("no label of Devices", graph(topology={"devices": {"idFromLabel": "/tag"}}), ANY),
    Row("a relation of Devices to nothing", graph(topology={"devices": {"relations": [{"type": "partOf"}]}}), ANY),
    Row("too many relations of Devices", graph(topology={"devices": {"relations": [TO_LINE] * 9}}), ANY),
    Row(
        "Devices beside a ConfigMap",
        graph(topology={"configMapRef": {"name": "plant", "key": "a"}, "devices": {}}),
        "either here or in the ConfigMap",
    ),
    Row(
        "a topology here and there",
        graph(topology={"configMapRef": {"name": "plant", "key": "a"}, "nodes": [{"id": "m1", "type": "Machine"}]}),
        "either here or in the ConfigMap",
    ),
    # EdgeSite.
    Row("a site", site(parameters={"broker": "10.0.0.5:1883"}, spool={"maxBytes": 16777216}, maxConcurrency=1)),
    Row("a site with a long name", site("a" * 53), "at most 52"),
    Row("a site that rests", site(suspend=True)),
    Row("a site of no node", site(nodeName=""), ANY),
    Row("a parameter with a dash", site(parameters={"a-b": "x"}), "a parameter's name is letters, digits and '_'"),
    Row("a spool too small", site(spool={"maxBytes": 1}), ANY),
    Row("a spool in full", site(spool={"maxAgeSeconds": 86400, "onFull": "DropOldest", "sync": "Normal"})),
    Row("a spool that keeps what is urgent", site(spool={"onFull": "DropLowestPriority"})),
    Row("a spool that keeps nothing", site(spool={"maxAgeSeconds": 60}), ANY),
    Row("a spool that drops what nobody defined", site(spool={"onFull": "DropAll"}), ANY),
    Row("a spool that is never synced", site(spool={"sync": "Off"}), ANY),
    Row("messages in batches", site(receive="Batches")),
    Row("messages in some way", site(receive="Some"), ANY),
    Row("hosts of endpoints", site(endpointHosts=["127.0.0.1:8000", "llm.example.com", "[::1]", "[fe80::1]:9"])),
    Row("no host at all", site(endpointHosts=[]), ANY),
    Row("a host twice", site(endpointHosts=["a", "a"]), ANY),
    Row("an address for a host", site(endpointHosts=["https://llm.example.com"]), ANY),
    Row("a pattern for a host", site(endpointHosts=["*.example.com"]), ANY),
    Row("a host in capitals", site(endpointHosts=["LLM.example.com"]), ANY),
    Row("a site that moves", site(nodeName="box-2"), "a site does not move", old=site()),
    Row("a site that changes otherwise", site(maxConcurrency=3), old=site()),
)
