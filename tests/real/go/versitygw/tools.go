//go:build tools

// Package tools pins the S3 server; building.py builds its program from the module cache.
package tools

import _ "github.com/versity/versitygw/cmd/versitygw"
