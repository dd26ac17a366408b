/* Debian's libunwind.a was compiled against glibc with _FORTIFY_SOURCE and calls its checked printf. musl has none:
 * here is the call, unchecked. Nothing else of glibc is referenced; the link would fail if it were. */
#include <stdarg.h>
#include <stdio.h>

int __fprintf_chk(FILE *stream, int flag, const char *format, ...) {
    va_list arguments;
    int written;
    (void)flag;
    va_start(arguments, format);
    written = vfprintf(stream, format, arguments);
    va_end(arguments);
    return written;
}
