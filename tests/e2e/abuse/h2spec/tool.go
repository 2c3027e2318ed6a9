// Names what go.mod pins: h2spec, whose command test_h2spec.py builds.
package main

import (
	_ "github.com/spf13/cobra"
	_ "github.com/summerwind/h2spec"
)

func main() {}
