/*
 * Linked into the programs of sanitizer builds: nothing that was loaded is ever unloaded.
 * ThreadSanitizer gives up when a library that a suppression names is unloaded, and LeakSanitizer,
 * which looks at the end, cannot name an unloaded driver (`<unknown module>`): its leaks could not
 * be told from ours.
 */
__attribute__((visibility("default"))) int dlclose(void *handle);

int dlclose(void *handle)
{
    (void)handle;
    return 0;
}
