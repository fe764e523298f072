// Porcupine judges a history of registers: is there an order of its operations, each between its beginning and its end, in which
// every read returns what was written last?
//
// It reads one JSON object per line, {"client":1,"key":"a","op":"write","value":"7","begin":12,"end":34}, with times in
// nanoseconds of one clock. "end" is absent for a write whose outcome is unknown: it may take effect at any time, or never.
// A register is "" before its first write. Exit code: 0 linearizable, 1 not, 2 not decided in time, 3 unreadable.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

type operation struct {
	Client int    `json:"client"`
	Key    string `json:"key"`
	Op     string `json:"op"`
	Value  string `json:"value"`
	Begin  int64  `json:"begin"`
	End    *int64 `json:"end"`
}

type input struct {
	key, value string
	write      bool
}

var registers = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, each := range history {
			key := each.Input.(input).key
			byKey[key] = append(byKey[key], each)
		}
		keys := make([]string, 0, len(byKey))
		for key := range byKey {
			keys = append(keys, key)
		}
		sort.Strings(keys)
		parts := make([][]porcupine.Operation, 0, len(keys))
		for _, key := range keys {
			parts = append(parts, byKey[key])
		}
		return parts
	},
	Init: func() interface{} { return "" },
	Step: func(state, in, out interface{}) (bool, interface{}) {
		asked := in.(input)
		if asked.write {
			return true, asked.value
		}
		return out.(string) == state.(string), state
	},
}

func main() {
	history, err := read()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	switch porcupine.CheckOperationsTimeout(registers, history, 2*time.Minute) {
	case porcupine.Ok:
		fmt.Println("linearizable")
	case porcupine.Illegal:
		fmt.Println("not linearizable")
		os.Exit(1)
	default:
		fmt.Println("not decided in time")
		os.Exit(2)
	}
}

func read() ([]porcupine.Operation, error) {
	var all []operation
	seen := map[[2]string]bool{}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var one operation
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return nil, fmt.Errorf("%q: %w", lines.Text(), err)
		}
		if one.Op == "read" {
			seen[[2]string{one.Key, one.Value}] = true
		}
		all = append(all, one)
	}
	var history []porcupine.Operation
	for _, one := range all {
		isWrite := one.Op == "write"
		end := int64(math.MaxInt64)
		if one.End != nil {
			end = *one.End
		} else if !isWrite || !seen[[2]string{one.Key, one.Value}] {
			// Nobody read it: it fits behind all others, so it restricts nothing.
			continue
		}
		history = append(history, porcupine.Operation{
			ClientId: one.Client, Input: input{one.Key, one.Value, isWrite}, Call: one.Begin, Output: one.Value, Return: end,
		})
	}
	return history, lines.Err()
}
