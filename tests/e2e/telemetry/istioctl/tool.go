//go:build tools

// Names what go.mod pins: istioctl, whose command test_istioctl.py builds.
package tools

import _ "istio.io/istio/istioctl/cmd/istioctl"
