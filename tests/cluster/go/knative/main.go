// What Knative's webhooks make of a Service: their own code, without a server around it.
//
// Each argument is a line of Knative's configuration, "config-features KEY: VALUE" or "config-defaults KEY: VALUE".
// The Service comes by stdin. One that passes is written out with Knative's defaults; else the refusal is, and the
// status is 1.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"knative.dev/pkg/apis"
	"knative.dev/serving/pkg/apis/config"
	serving "knative.dev/serving/pkg/apis/serving/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	var service serving.Service
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	must(decoder.Decode(&service))
	ctx := apis.WithinCreate(configured(os.Args[1:]))
	service.SetDefaults(ctx)
	if refused := service.Validate(ctx).Filter(apis.ErrorLevel); refused != nil {
		fmt.Println(refused)
		os.Exit(1)
	}
	written, err := yaml.Marshal(service)
	must(err)
	fmt.Print(string(written))
}

func configured(lines []string) context.Context {
	said := map[string]map[string]string{"config-features": {}, "config-defaults": {}}
	for _, line := range lines {
		where, rest, _ := strings.Cut(line, " ")
		key, value, _ := strings.Cut(rest, ": ")
		said[where][key] = value
	}
	features, err := config.NewFeaturesConfigFromMap(said["config-features"])
	must(err)
	defaults, err := config.NewDefaultsConfigFromMap(said["config-defaults"])
	must(err)
	usual := config.FromContextOrDefaults(context.Background())
	return config.ToContext(context.Background(), &config.Config{
		Features: features, Defaults: defaults, Autoscaler: usual.Autoscaler,
	})
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}
