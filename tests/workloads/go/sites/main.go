// SPDX-License-Identifier: BSD-2-Clause

// Sites allocates in every way that Go source can, a known number of times, and prints runtime.MemStats before and
// after: the true counts, with which recordings are compared.
//
//	sites [-rounds N] [-parallel N] [-gc] [-wait] [-churn]
//
// The last line is the state that it ends in. With -wait it prints its state, waits for a line before the phase and for
// another one after it, and prints its state again. While it waits, and from its last reading of MemStats to its end, it
// allocates nothing, so an observer must see the printed counts; the states that frame them tell whether the runtime did
// for itself, as for a thread that it started.
// A source line that ends in `// want N` allocates exactly N objects per round (and goroutine); one that ends in
// `// want N/M` allocates N objects in every Mth round, including the first.
package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
)

var (
	stats  runtime.MemStats
	output = make([]byte, 0, 64<<10)
	line   [1]byte
	nap    = syscall.Timespec{Nsec: 5e6}
)

func number(name string, value uint64) {
	output = append(output, '"')
	output = append(output, name...)
	output = append(output, `":`...)
	output = strconv.AppendUint(output, value, 10)
	output = append(output, ',')
}

// settle waits until the runtime has started its background work: threads, workers of the collector.
func settle() {
	for quiet := 0; quiet < 3; quiet++ {
		runtime.ReadMemStats(&stats)
		mallocs := stats.Mallocs
		syscall.Nanosleep(&nap, nil)
		runtime.ReadMemStats(&stats)
		if stats.Mallocs != mallocs {
			quiet = -1
		}
	}
}

// report writes one JSON line without allocating.
func report(mark string) {
	settle()
	output = append(output[:0], `{"mark":"`...)
	output = append(output, mark...)
	output = append(output, `",`...)
	number("mallocs", stats.Mallocs)
	number("total_alloc", stats.TotalAlloc)
	number("pid", uint64(syscall.Getpid()))
	output = append(output, `"by_size":{`...)
	for i := range stats.BySize {
		if i > 0 {
			output = append(output, `,`...)
		}
		output = append(output, '"')
		output = strconv.AppendUint(output, uint64(stats.BySize[i].Size), 10)
		output = append(output, `":`...)
		output = strconv.AppendUint(output, stats.BySize[i].Mallocs, 10)
	}
	output = append(output, "}}\n"...)
	syscall.Write(1, output)
}

// reportLast writes the state that the program ends in. It does so again if the runtime has allocated meanwhile, as for a thread
// that the scheduler starts because a slow terminal makes the line wait.
func reportLast() {
	for said := ^uint64(0); said != stats.Mallocs; runtime.ReadMemStats(&stats) {
		report("after")
		said = stats.Mallocs
	}
}

// wait blocks in the kernel, without the runtime's poller, until a line comes or the input ends.
func wait() {
	for {
		n, err := syscall.Read(0, line[:])
		if err == syscall.EINTR {
			continue
		}
		if n != 1 || line[0] == '\n' {
			return
		}
	}
}

func phase(rounds, parallel int) {
	var group sync.WaitGroup
	for i := 1; i < parallel; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			runSites(rounds)
		}()
	}
	runSites(rounds)
	group.Wait()
}

func main() {
	rounds, parallel, waits, churn, collects := 1000, 1, false, false, false
	for i := 1; i < len(os.Args); i++ {
		switch os.Args[i] {
		case "-rounds":
			i++
			rounds, _ = strconv.Atoi(os.Args[i])
		case "-parallel":
			i++
			parallel, _ = strconv.Atoi(os.Args[i])
		case "-wait":
			waits = true
		case "-gc":
			collects = true
			debug.SetGCPercent(5)
		case "-churn":
			churn = true
		default:
			println("sites: unknown option", os.Args[i])
			os.Exit(2)
		}
	}
	phase(1, 1) // fills pools, maps of types and other data that is set up once
	if waits {
		report("ready")
		wait()
	}
	report("before")
	phase(rounds, parallel)
	for churn && len(os.Args) > 0 {
		phase(rounds, parallel)
	}
	if collects { // no collection may begin after the last numbers, because it would start a worker
		debug.SetGCPercent(-1)
		runtime.GC()
	}
	if waits {
		report("after")
		wait()
		report("end")
	} else {
		reportLast()
	}
	syscall.Exit(0)
}
