// hiredis, the C client that most others descend from, against the real program: connect,
// negotiate, pipeline, reconnect after a restart.
#include <criterion/criterion.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PIPELINE = 1000, DEADLINE_S = 30 };

static char dir[] = "/tmp/varve-hiredis-XXXXXX";
static int port;
static pid_t server;

static int free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void start(void)
{
    char number[16];
    snprintf(number, sizeof number, "%d", port);
    server = fork();
    cr_assert_geq(server, 0);
    if (server == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 1);
        execl(VARVE_SERVER, VARVE_SERVER, "--port", number, "--bind", "127.0.0.1", "--dir", dir,
            "--maxmemory", "64mb", (char *)NULL);
        _exit(127);
    }
}

static void stop(void)
{
    int status;
    cr_assert_eq(kill(server, SIGTERM), 0);
    cr_assert_eq(waitpid(server, &status, 0), server);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

// Until the server listens, or the deadline.
static redisContext *connect_to_it(void)
{
    time_t begin = time(NULL);
    for (;;) {
        redisContext *c = redisConnect("127.0.0.1", port);
        cr_assert_not_null(c);
        if (c->err == 0)
            return c;
        redisFree(c);
        cr_assert_lt(time(NULL) - begin, DEADLINE_S, "the server does not listen");
        usleep(10000);
    }
}

static void expect(
    redisContext *c, const char *command, int type, const char *text, long long integer)
{
    redisReply *reply = redisCommand(c, command);
    cr_assert_not_null(reply, "%s: %s", command, c->errstr);
    cr_assert_eq(reply->type, type, "%s: type %d", command, reply->type);
    if (text != NULL)
        cr_assert_str_eq(reply->str, text);
    else
        cr_assert_eq(reply->integer, integer);
    freeReplyObject(reply);
}

static void set_up(void)
{
    cr_assert_not_null(mkdtemp(dir));
    port = free_port();
    start();
}

static void tear_down(void)
{
    char command[64];
    stop();
    snprintf(command, sizeof command, "rm -rf %s", dir);
    cr_assert_eq(system(command), 0);
}

Test(hiredis, talks_pipelines_and_reconnects, .init = set_up, .fini = tear_down, .timeout = 120)
{
    redisContext *c = connect_to_it();
    expect(c, "PING", REDIS_REPLY_STATUS, "PONG", 0);
    redisReply *hello = redisCommand(c, "HELLO 2 SETNAME tester");
    cr_assert_eq(hello->type, REDIS_REPLY_ARRAY);
    freeReplyObject(hello);
    expect(c, "CLIENT GETNAME", REDIS_REPLY_STRING, "tester", 0);
    expect(c, "GET nothing", REDIS_REPLY_NIL, NULL, 0);
    expect(c, "NOSUCH", REDIS_REPLY_ERROR,
        "ERR unknown command 'NOSUCH', with args beginning with: ", 0);

    for (int i = 0; i < PIPELINE; i++)
        cr_assert_eq(redisAppendCommand(c, "SET key:%d %b", i, "a\0b\r\n", (size_t)5), REDIS_OK);
    for (int i = 0; i < PIPELINE; i++)
        cr_assert_eq(redisAppendCommand(c, "GET key:%d", i), REDIS_OK);
    for (int i = 0; i < 2 * PIPELINE; i++) {
        redisReply *reply;
        cr_assert_eq(redisGetReply(c, (void **)&reply), REDIS_OK, "%s", c->errstr);
        if (i < PIPELINE)
            cr_assert_eq(reply->type, REDIS_REPLY_STATUS);
        else
            cr_assert(reply->type == REDIS_REPLY_STRING && reply->len == 5 &&
                      memcmp(reply->str, "a\0b\r\n", 5) == 0);
        freeReplyObject(reply);
    }
    expect(c, "DBSIZE", REDIS_REPLY_INTEGER, NULL, PIPELINE);

    stop();
    cr_assert_null(redisCommand(c, "PING"));
    start();
    redisFree(connect_to_it()); // the deadline is in there
    cr_assert_eq(redisReconnect(c), REDIS_OK);
    expect(c, "DBSIZE", REDIS_REPLY_INTEGER, NULL, PIPELINE);
    redisFree(c);
}
