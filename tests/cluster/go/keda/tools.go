//go:build tools

// Package tools names the command that is built as it is, so that go.sum covers it.
package tools

import _ "github.com/kedacore/keda/v2/cmd/operator"
