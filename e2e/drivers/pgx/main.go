// A client by pgx; ../README.md tells what it does.
package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const every = 100 * time.Millisecond

type profile struct{ name, mode, authorities string }

func profiles() []profile {
	file, err := os.Open(os.Getenv("FOLDER") + "/profiles")
	if err != nil {
		panic(err)
	}
	defer file.Close()
	var all []profile
	for lines := bufio.NewScanner(file); lines.Scan(); {
		words := strings.Fields(lines.Text())
		all = append(all, profile{words[0], words[1], words[2]})
	}
	return all
}

func connect(ctx context.Context, by profile) (*pgx.Conn, error) {
	text := fmt.Sprintf("host=%s port=%s dbname=postgres sslmode=%s", os.Getenv("HOST"), os.Getenv("PORT"), by.mode)
	if by.authorities != "-" {
		text += " sslrootcert=" + by.authorities
	}
	config, err := pgx.ParseConfig(text)
	if err != nil {
		return nil, err
	}
	config.User, config.Password = os.Getenv("LOGIN"), os.Getenv("PASSWORD")
	config.LookupFunc = func(context.Context, string) ([]string, error) { return []string{os.Getenv("ADDRESS")}, nil }
	config.DialFunc = (&net.Dialer{Timeout: 5 * time.Second}).DialContext
	return pgx.ConnectConfig(ctx, config)
}

func ask(ctx context.Context, connection *pgx.Conn) error {
	_, err := connection.Exec(ctx, "select 1")
	return err
}

func once(ctx context.Context, by profile) error {
	connection, err := connect(ctx, by)
	if err != nil {
		return err
	}
	defer connection.Close(ctx)
	return ask(ctx, connection)
}

func say(name string, err error) {
	now := float64(time.Now().UnixMicro()) / 1e6
	if err == nil {
		fmt.Printf("%s ok %f\n", name, now)
	} else {
		fmt.Printf("%s err %f %s\n", name, now, strings.Join(strings.Fields(err.Error()), " "))
	}
}

func round(kept *pgx.Conn) *pgx.Conn {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	all := profiles()
	for _, by := range all {
		say(by.name, once(ctx, by))
	}
	if kept == nil {
		kept, _ = connect(ctx, all[0])
		return kept
	}
	err := ask(ctx, kept)
	say("kept", err)
	if err != nil {
		return nil
	}
	return kept
}

func main() {
	var kept *pgx.Conn
	for {
		if _, err := os.Stat(os.Getenv("FOLDER") + "/end"); err == nil {
			return
		}
		begin := time.Now()
		kept = round(kept)
		time.Sleep(time.Until(begin.Add(every)))
	}
}
