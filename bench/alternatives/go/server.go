// What a team would write instead of Penstock, in Go: net/http and aws-sdk-go-v2. POST /music
// answers 201 once DynamoDB has acknowledged the item.
//
//	PORT, ENDPOINT, CA_FILE; BATCH=1 gathers writes into BatchWriteItem by hand
//
// Settings that matter: a struct instead of a map for the body, one transport of SOCKETS kept
// connections with TLS session reuse, SDK retries at their default. GOMAXPROCS is the caller's.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log"
	"math/rand"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const (
	table        = "Music"
	batchItems   = 25
	batchDelay   = time.Millisecond
	backoff      = 25 * time.Millisecond
	attempts     = 4
	bodyMaxBytes = 1 << 20
)

type key struct {
	Artist    string
	SongTitle string
}

type song struct {
	key
	AlbumTitle string `json:",omitempty" dynamodbav:",omitempty"`
	Year       int    `json:",omitempty" dynamodbav:",omitempty"`
	Live       bool
}

type item = map[string]types.AttributeValue

type putter interface {
	put(ctx context.Context, k key, i item) error
}

// ---- one PutItem for each POST ----

type plain struct{ client *dynamodb.Client }

func (p plain) put(ctx context.Context, _ key, i item) error {
	_, err := p.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(table), Item: i})
	return err
}

// ---- up to 25 in a BatchWriteItem ----

type write struct {
	key  key
	item item
	done chan error
}

type batched struct {
	client *dynamodb.Client
	writes chan write
}

func (b batched) put(_ context.Context, k key, i item) error {
	w := write{k, i, make(chan error, 1)}
	b.writes <- w
	return <-w.done
}

// gather fills a batch until it is full, or its oldest write has waited batchDelay.
func (b batched) gather() {
	batch := make(map[key]write, batchItems) // DynamoDB refuses a batch that has a key twice
	timer := time.NewTimer(time.Hour)
	flush := func() {
		if len(batch) > 0 {
			go b.send(batch)
			batch = make(map[key]write, batchItems)
		}
	}
	for {
		select {
		case w := <-b.writes:
			if _, twice := batch[w.key]; twice {
				flush()
			}
			if len(batch) == 0 {
				timer.Reset(batchDelay)
			}
			batch[w.key] = w
			if len(batch) == batchItems {
				flush()
			}
		case <-timer.C:
			flush()
		}
	}
}

func (b batched) send(batch map[key]write) {
	for attempt := 1; len(batch) > 0; attempt++ {
		left, err := b.try(batch)
		if err == nil && len(left) > 0 && attempt == attempts {
			err = errors.New("unprocessed items")
		}
		for k, w := range batch {
			if _, again := left[k]; err != nil || !again {
				w.done <- err
			}
		}
		if err != nil {
			return
		}
		batch = left
		if len(batch) > 0 {
			time.Sleep(time.Duration(rand.Int63n(int64(backoff << attempt))))
		}
	}
}

// try sends the batch once and returns what DynamoDB handed back.
func (b batched) try(batch map[key]write) (map[key]write, error) {
	requests := make([]types.WriteRequest, 0, len(batch))
	for _, w := range batch {
		requests = append(requests, types.WriteRequest{PutRequest: &types.PutRequest{Item: w.item}})
	}
	answer, err := b.client.BatchWriteItem(context.Background(), &dynamodb.BatchWriteItemInput{
		RequestItems: map[string][]types.WriteRequest{table: requests}})
	if err != nil {
		return nil, err
	}
	left := map[key]write{}
	for _, r := range answer.UnprocessedItems[table] {
		var k key
		if err := attributevalue.UnmarshalMap(r.PutRequest.Item, &k); err != nil {
			return nil, err
		}
		left[k] = batch[k]
	}
	return left, nil
}

// ---- the service ----

func handle(p putter) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var s song
		if r.Method != http.MethodPost {
			http.Error(w, `{"message":"Method Not Allowed"}`, http.StatusMethodNotAllowed)
			return
		}
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyMaxBytes)).Decode(&s)
		if err != nil || s.Artist == "" || s.SongTitle == "" {
			http.Error(w, `{"message":"Bad Request"}`, http.StatusBadRequest)
			return
		}
		i, err := attributevalue.MarshalMap(s)
		if err == nil {
			err = p.put(r.Context(), s.key, i)
		}
		if err != nil {
			http.Error(w, `{"message":"Service Unavailable"}`, http.StatusServiceUnavailable)
			return
		}
		answer, _ := json.Marshal(s.key)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		w.Write(answer)
	}
}

func newClient() *dynamodb.Client {
	pem, err := os.ReadFile(os.Getenv("CA_FILE"))
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	sockets, err := strconv.Atoi(os.Getenv("SOCKETS"))
	if err != nil {
		sockets = 64
	}
	return dynamodb.New(dynamodb.Options{
		Region:           "eu-west-1",
		EndpointResolver: dynamodb.EndpointResolverFromURL(os.Getenv("ENDPOINT")),
		Credentials: credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"),
			os.Getenv("AWS_SECRET_ACCESS_KEY"), ""),
		HTTPClient: awshttp.NewBuildableClient().WithTimeout(5 * time.Second).
			WithTransportOptions(func(t *http.Transport) {
				t.MaxIdleConns = sockets
				t.MaxIdleConnsPerHost = sockets
				t.MaxConnsPerHost = sockets
				t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12,
					ClientSessionCache: tls.NewLRUClientSessionCache(sockets)}
			}),
	})
}

func main() {
	var p putter = plain{newClient()}
	if os.Getenv("BATCH") != "" {
		b := batched{newClient(), make(chan write, batchItems)}
		go b.gather()
		p = b
	}
	http.HandleFunc("/music", handle(p))
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
