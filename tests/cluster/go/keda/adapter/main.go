// KEDA's metrics API. Its own main serves figures about itself on all addresses of the machine; this one serves none.
package main

import (
	"context"
	"fmt"
	"os"

	grpcprom "github.com/grpc-ecosystem/go-grpc-middleware/providers/prometheus"
	"k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	basecmd "sigs.k8s.io/custom-metrics-apiserver/pkg/cmd"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	"github.com/kedacore/keda/v2/pkg/metricsservice"
	kedaprovider "github.com/kedacore/keda/v2/pkg/provider"
)

func main() {
	if err := run(ctrl.SetupSignalHandler()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var operator string
	adapter := &basecmd.AdapterBase{Name: "keda-adapter"}
	adapter.Flags().StringVar(&operator, "metrics-service-address", "", "where KEDA's operator answers")
	if err := adapter.Flags().Parse(os.Args[1:]); err != nil {
		return err
	}
	log := zap.New()
	ctrl.SetLogger(log)
	if err := kedav1alpha1.SchemeBuilder.AddToScheme(scheme.Scheme); err != nil {
		return err
	}
	config, err := adapter.ClientConfig()
	if err != nil {
		return err
	}
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:  scheme.Scheme,
		Metrics: server.Options{BindAddress: "0"},
	})
	if err != nil {
		return err
	}
	certificates := adapter.SecureServing.ServerCert.CertDirectory
	client, err := metricsservice.NewGrpcClient(ctx, operator, certificates, "", "", grpcprom.NewClientMetrics(), false)
	if err != nil {
		return err
	}
	go func() {
		if err := manager.Start(ctx); err != nil {
			log.Error(err, "the cache of KEDA's objects has ended")
			os.Exit(1)
		}
	}()
	adapter.WithExternalMetrics(kedaprovider.NewProvider(ctx, log, manager.GetClient(), *client))
	return adapter.Run(ctx)
}
