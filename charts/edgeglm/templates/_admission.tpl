{{/*
What both policies ask about a pod spec, found under the given variable expression. CEL reads the lists from the values.
With the host's network a container's port is a port of the host, whether `hostPort` repeats it or not.
*/}}
{{- define "edgeglm.hostVariables" -}}
- name: prefixes
  expression: {{ .Values.edge.hostPathPrefixes | toJson | squote }}
- name: ranges
  expression: '[{{ range $i, $range := .Values.edge.hostPorts }}{{ if $i }}, {{ end }}[{{ $range.from }}, {{ $range.to }}]{{ end }}]'
- name: containers
  expression: >-
    variables.pod.containers
    + (has(variables.pod.initContainers) ? variables.pod.initContainers : [])
- name: hostNetwork
  expression: has(variables.pod.hostNetwork) && variables.pod.hostNetwork
- name: hostPaths
  expression: "(has(variables.pod.volumes) ? variables.pod.volumes : []).filter(v, has(v.hostPath)).map(v, v.hostPath.path)"
- name: strayPaths
  expression: variables.hostPaths.filter(path, !variables.prefixes.exists(prefix, (path + '/').startsWith(prefix)))
- name: hostPorts
  expression: >-
    variables.containers.map(c, !has(c.ports) ? [] : variables.hostNetwork
    ? c.ports.map(p, p.containerPort)
    : c.ports.filter(p, has(p.hostPort) && p.hostPort > 0).map(p, p.hostPort))
{{- end -}}

{{- define "edgeglm.hostValidations" -}}
- expression: size(variables.strayPaths) == 0
  messageExpression: >-
    'the pod mounts ' + variables.strayPaths[0] + ' of its node; the edgeglm chart allows what lies under its edge.hostPathPrefixes: '
    + variables.prefixes.join(', ')
- expression: variables.hostPorts.all(ports, ports.all(port, variables.ranges.exists(r, r[0] <= port && port <= r[1])))
  message: the pod listens on a port of its node that is not in edge.hostPorts of the edgeglm chart
- expression: >-
    (!has(variables.pod.hostPID) || !variables.pod.hostPID) && (!has(variables.pod.hostIPC) || !variables.pod.hostIPC)
  message: hostPID and hostIPC are not for pods at the edge
{{- end -}}
