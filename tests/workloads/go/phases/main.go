// SPDX-License-Identifier: BSD-2-Clause

// A program whose sites are active at different times. The memory profiler is not linked in. Each step calls some sites
// a number of times, and then sleeps:
//
//	phases    steps of 300 ms: one site at full speed, one occasionally, two of them in one step, one idle step
//	rhythm    turns of 20 ms: one site ten times at the start, one all the time, one in the last millisecond
//	steady    all sites in turn, with sleeps in between
//
// For each line on standard input it prints, as JSON, how often it has called each site and how many turns it has done
// since its start.
package main

import (
	"bufio"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

type small struct{ a, b uint64 }
type middle struct{ a [12]uint64 }

var (
	counts [6]uint64
	turns  uint64
	keep   [6]any
	bytes  [6][]byte
)

//go:noinline
func siteA() { keep[0] = &small{1, 2}; atomic.AddUint64(&counts[0], 1) }

//go:noinline
func siteB() { keep[1] = &small{3, 4}; atomic.AddUint64(&counts[1], 1) }

//go:noinline
func siteC() { keep[2] = &middle{}; atomic.AddUint64(&counts[2], 1) }

//go:noinline
func siteD() { keep[3] = &middle{}; atomic.AddUint64(&counts[3], 1) }

//go:noinline
func siteE(n int) { bytes[4] = make([]byte, n); atomic.AddUint64(&counts[4], 1) }

//go:noinline
func siteF() { keep[5] = uint64(time.Now().UnixNano()); atomic.AddUint64(&counts[5], 1) }

// during calls `what` for the time `d`, and sleeps for `rest` after every `burst` calls.
func during(d time.Duration, burst int, rest time.Duration, what ...func()) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		for i := 0; i < burst; i++ {
			for _, f := range what {
				f()
			}
		}
		if rest > 0 {
			time.Sleep(rest)
		}
	}
}

func phases() {
	during(300*time.Millisecond, 1000, 0, siteA)
	during(300*time.Millisecond, 10, time.Millisecond, siteB, siteF)
	during(300*time.Millisecond, 100, 200*time.Microsecond, siteC, siteF)
	during(300*time.Millisecond, 20, time.Millisecond, siteD, func() { siteE(4000) })
}

func rhythm() {
	turn := time.Now()
	for i := 0; i < 10; i++ {
		siteA()
	}
	for n := 0; time.Since(turn) < 19*time.Millisecond; n++ {
		siteB()
		siteE(100 + n%700)
		time.Sleep(200 * time.Microsecond)
	}
	for time.Since(turn) < 20*time.Millisecond {
		siteC()
		siteD()
	}
}

func steady() {
	during(100*time.Millisecond, 50, 500*time.Microsecond, siteA, siteA, siteB, siteC, siteD, siteF,
		func() { siteE(64) })
}

func main() {
	work := map[string]func(){"phases": phases, "rhythm": rhythm, "steady": steady}[os.Args[1]]
	go func() {
		for {
			work()
			atomic.AddUint64(&turns, 1)
		}
	}()
	fmt.Println("ready")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		fmt.Print("{")
		for i := range counts {
			if i > 0 {
				fmt.Print(", ")
			}
			fmt.Printf("\"main.site%c\": %d", 'A'+i, atomic.LoadUint64(&counts[i]))
		}
		fmt.Printf(", \"turns\": %d}\n", atomic.LoadUint64(&turns))
	}
}
