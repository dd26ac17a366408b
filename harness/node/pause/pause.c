/* What holds a pod's namespaces: it waits until it is told to stop. */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static void stop(int signal) { (void)signal; exit(0); }

int main(void) {
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    signal(SIGCHLD, SIG_IGN);
    for (;;) pause();
}
