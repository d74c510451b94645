/* Print each change of genre, with nothing but libzmq (Debian: libzmq3-dev):
 *   cc -o subscriber examples/subscriber.c -lzmq && ./subscriber [ADDRESS [SERVER_KEY KEY_FILE]]
 * The body is JSON; a program that needs more of it than one field takes a JSON library. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

static int use_keys(void *feed, const char *server_key, const char *key_file) {
    char line[256], public_key[41] = "", secret_key[41] = "";
    FILE *file = fopen(key_file, "r"); /* what `rtgenre keys make client` wrote */
    while (file && fgets(line, sizeof line, file)) {
        sscanf(line, " public-key = \"%40[^\"]", public_key);
        sscanf(line, " secret-key = \"%40[^\"]", secret_key);
    }
    if (file) fclose(file);
    return zmq_setsockopt(feed, ZMQ_CURVE_SERVERKEY, server_key, strlen(server_key))
        || zmq_setsockopt(feed, ZMQ_CURVE_PUBLICKEY, public_key, strlen(public_key))
        || zmq_setsockopt(feed, ZMQ_CURVE_SECRETKEY, secret_key, strlen(secret_key));
}

int main(int argc, char **argv) {
    static char topic[128], body[65536];
    unsigned char sequence[8];
    void *feed = zmq_socket(zmq_ctx_new(), ZMQ_SUB);
    if ((argc > 3 && use_keys(feed, argv[2], argv[3]))
        || zmq_setsockopt(feed, ZMQ_SUBSCRIBE, "rtgenre.v1.", 11)
        || zmq_connect(feed, argc > 1 ? argv[1] : "tcp://127.0.0.1:5560")) {
        fprintf(stderr, "%s\n", zmq_strerror(zmq_errno()));
        return 1;
    }
    for (;;) {
        int n_topic = zmq_recv(feed, topic, sizeof topic - 1, 0);
        int n_body = zmq_recv(feed, body, sizeof body - 1, 0);
        if (n_topic < 0 || n_body < 0 || zmq_recv(feed, sequence, 8, 0) != 8) return 1;
        topic[n_topic < (int)sizeof topic ? n_topic : (int)sizeof topic - 1] = 0;
        body[n_body < (int)sizeof body ? n_body : (int)sizeof body - 1] = 0;
        uint64_t seq = 0; /* little-endian; a number that is not one more than the last of its topic tells of a loss */
        for (int i = 8; i-- > 0;) seq = seq << 8 | sequence[i];
        char top[64] = "null", *found = strstr(body, "\"top\":");
        if (found) sscanf(found, "\"top\":\"%63[^\"]", top);
        if (strstr(topic, ".decision.")) {
            printf("%s #%" PRIu64 " %s\n", topic, seq, top);
            fflush(stdout);
        }
    }
}
