// SPDX-License-Identifier: BSD-2-Clause

// Alive holds objects as commanded. It reads commands from standard input, one per line, and answers each with a line:
//
//	rate N            sets MemProfileRate; must be the first command, before other allocations
//	hold NAME N SIZE  allocates N objects of SIZE bytes and keeps them; NAME is a, b or c, each its own function
//	churn N SIZE      allocates N objects of SIZE bytes, and keeps none
//	drop NAME         drops the objects held by NAME
//	stacks N          allocates an object of 512 bytes at each of N different stacks, and keeps them
//	large N SIZE      like hold, for objects that have a span of their own
//	read              reads pages of those that hold a and large keep
//	map N, routines N, part N, finalizers N    typical leaks: entries of a map that only grows,
//	                  goroutines that never end, a few bytes of large arrays, cycles with finalizers
//	gc N              runs N collections
//	free              calls debug.FreeOSMemory
//	write FILE        writes pprof.Lookup("heap") as text to FILE.txt and as protobuf to FILE.pb.gz
//	stats             prints runtime.MemStats as JSON: HeapInuse, HeapIdle, HeapReleased, StackInuse, HeapAlloc,
//	                  GCCPUFraction, NumGC
//	freeze            reads these, stops itself (SIGSTOP), reads them again once continued, and answers. Quiet:
//	                  the heap was the same; otherwise the scavenger or another thread of the runtime was active
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
)

type node struct {
	next  *node
	bytes [500]byte
}

type cycle struct {
	other *cycle
	data  [4000]byte
}

var (
	held    = map[string][][]byte{}
	kept    []*node
	entries = map[int]*node{}
	parts   [][]byte
	sink    []byte
	stats   runtime.MemStats
	next    runtime.MemStats
	stop    chan bool
	zeros   int
)

//go:noinline
func holdA(n, size int) {
	for i := 0; i < n; i++ {
		held["a"] = append(held["a"], make([]byte, size))
	}
}

//go:noinline
func holdB(n, size int) {
	for i := 0; i < n; i++ {
		held["b"] = append(held["b"], make([]byte, size))
	}
}

func inlined(size int) []byte { return make([]byte, size) }

//go:noinline
func holdC(n, size int) {
	for i := 0; i < n; i++ {
		held["c"] = append(held["c"], inlined(size))
	}
}

//go:noinline
func churn(n, size int) {
	for i := 0; i < n; i++ {
		sink = make([]byte, size)
	}
	sink = nil
}

//go:noinline
func left(bits, depth int) { descend(bits, depth-1) }

//go:noinline
func right(bits, depth int) { descend(bits, depth-1) }

func descend(bits, depth int) {
	switch {
	case depth == 0:
		kept = append(kept, &node{})
	case bits>>(depth-1)&1 == 1:
		left(bits, depth)
	default:
		right(bits, depth)
	}
}

//go:noinline
func growMap(n int) {
	for i := 0; i < n; i++ {
		entries[len(entries)] = &node{}
	}
}

//go:noinline
func wait(ready chan bool) {
	buffer := make([]byte, 4096)
	ready <- true
	<-stop
	sink = buffer
}

//go:noinline
func startRoutines(n int) {
	ready := make(chan bool)
	for i := 0; i < n; i++ {
		go wait(ready)
		<-ready
	}
}

//go:noinline
func takeParts(n int) {
	for i := 0; i < n; i++ {
		parts = append(parts, make([]byte, 65536)[:16])
	}
}

//go:noinline
func makeCycles(n int) {
	for i := 0; i < n; i++ {
		c := &cycle{}
		c.other = &cycle{other: c} // without the second one, the collector would free it
		runtime.SetFinalizer(c, func(*cycle) {})
	}
}

func write(name string) {
	for debug, suffix := range []string{".pb.gz", ".txt"} {
		file, err := os.Create(name + suffix)
		if err == nil {
			err = pprof.Lookup("heap").WriteTo(file, debug)
		}
		if err != nil {
			panic(err)
		}
		file.Close()
	}
}

func do(word string, numbers [3]int, name string) {
	n, size := numbers[1], numbers[2]
	switch word {
	case "hold":
		map[string]func(int, int){"a": holdA, "b": holdB, "c": holdC}[name](n, size)
	case "large":
		holdA(numbers[0], numbers[1])
	case "read": // of large ones, pages that were never written
		for _, buffer := range held["a"] {
			for at := 0; at < len(buffer); at += 4096 {
				zeros += int(buffer[at])
			}
		}
	case "churn":
		churn(numbers[0], numbers[1])
	case "drop":
		held[name] = nil
	case "stacks":
		for i := 0; i < numbers[0]; i++ {
			descend(i, 20)
		}
	case "map":
		growMap(numbers[0])
	case "routines":
		startRoutines(numbers[0])
	case "part":
		takeParts(numbers[0])
	case "finalizers":
		makeCycles(numbers[0])
	case "gc":
		for i := 0; i < numbers[0]; i++ {
			runtime.GC()
		}
	case "free":
		debug.FreeOSMemory()
	case "write":
		write(name)
	}
}

func main() {
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Fields(line)
		var numbers [3]int
		for i, text := range words[1:] {
			numbers[i], _ = strconv.Atoi(text)
		}
		switch words[0] {
		case "rate":
			runtime.MemProfileRate = numbers[0]
		case "stats", "freeze":
			runtime.ReadMemStats(&stats)
			if words[0] == "freeze" {
				// stopping the world allocates stacks for itself, which it has after the second time
				runtime.ReadMemStats(&stats)
				runtime.ReadMemStats(&stats)
				syscall.Kill(syscall.Getpid(), syscall.SIGSTOP)
			}
			runtime.ReadMemStats(&next)
			fmt.Printf("{\"HeapInuse\":%d,\"HeapIdle\":%d,\"HeapReleased\":%d,\"StackInuse\":%d,\"HeapAlloc\":%d,\"GCCPUFraction\":%g,\"NumGC\":%d,\"Quiet\":%t}\n",
				stats.HeapInuse, stats.HeapIdle, stats.HeapReleased, stats.StackInuse, stats.HeapAlloc, stats.GCCPUFraction, stats.NumGC,
				stats.HeapInuse == next.HeapInuse && stats.HeapIdle == next.HeapIdle && stats.HeapReleased == next.HeapReleased)
			continue
		default:
			name := ""
			if len(words) > 1 {
				name = words[1]
			}
			do(words[0], numbers, name)
		}
		fmt.Println("done")
	}
}
