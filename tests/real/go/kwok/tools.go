//go:build tools

// Package tools names KWOK's controller, which plays nodes and their pods, so that go.mod and go.sum
// pin everything it needs.
package tools

import (
	_ "sigs.k8s.io/kwok/cmd/kwok"
)
