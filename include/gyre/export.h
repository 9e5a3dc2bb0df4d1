#ifndef GYRE_EXPORT_H
#define GYRE_EXPORT_H

#if defined(_WIN32)
#define GYRE_API
#else
#define GYRE_API __attribute__((visibility("default")))
#endif

#endif
