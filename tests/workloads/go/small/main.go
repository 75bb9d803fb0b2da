// SPDX-License-Identifier: BSD-2-Clause

// Small links as little of the runtime as a Go program can: no ReadMemStats, no profiler. Its argument is the number of
// nodes to allocate. With -busy a goroutine still allocates when the program ends.
package main

import "os"

type node struct {
	next *node
	data [3]int
}

var list, other *node

func main() {
	count := 0
	for _, digit := range os.Args[1] {
		count = count*10 + int(digit-'0')
	}
	if len(os.Args) > 2 && os.Args[2] == "-busy" {
		go func() {
			for {
				other = &node{next: nil}
			}
		}()
	}
	for i := 0; i < count; i++ {
		list = &node{next: nil} // want 1
	}
	os.Exit(0)
}
