/* Stands in for the CUDA runtime: memory of the host, and kernels that do nothing. ONNX Runtime's CUDA provider opens sessions
   on it and places every node as it does beside a card; results are meaningless. Functions that are not here return 0. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static long handle;                             /* What streams, events and pools point to. */
static long counts[4];                          /* Copies to the device, copies from it, waits for it, kernels. */
static void memory(void *to, size_t at, long v) { memcpy((char *)to + at, &v, sizeof v); }
static void number(void *to, size_t at, int v) { memcpy((char *)to + at, &v, sizeof v); }

void stand_in_counts(long *to) { memcpy(to, counts, sizeof counts); }

int cudaGetDeviceCount(int *n) { *n = 1; return 0; }
int cudaGetDevice(int *n) { *n = 0; return 0; }
int cudaDriverGetVersion(int *n) { *n = 13000; return 0; }
int cudaRuntimeGetVersion(int *n) { *n = 13000; return 0; }

/* Attributes 75 and 76 are the two parts of the compute capability, 16 the multiprocessors. */
int cudaDeviceGetAttribute(int *n, int attribute, int device) {
    *n = attribute == 75 ? 9 : attribute == 76 ? 0 : attribute == 16 ? 132 : 1024;
    return 0;
}

/* The offsets of `cudaDeviceProp` in CUDA 13. */
int cudaGetDeviceProperties(void *p, int device) {
    memset(p, 0, 1008);
    strcpy(p, "stand-in");
    memory(p, 288, 80L << 30);                  /* totalGlobalMem */
    memory(p, 296, 49152);                      /* sharedMemPerBlock */
    number(p, 304, 65536);                      /* regsPerBlock */
    number(p, 308, 32);                         /* warpSize */
    memory(p, 312, 2147483647);                 /* memPitch */
    number(p, 320, 1024);                       /* maxThreadsPerBlock */
    for (int i = 0; i < 3; i++) number(p, 324 + 4 * i, 1024), number(p, 336 + 4 * i, 65535);
    number(p, 360, 9);                          /* major */
    number(p, 384, 132), number(p, 388, 132);   /* multiProcessorCount */
    return 0;
}

const char *cudaGetErrorName(int e) { return "none"; }
const char *cudaGetErrorString(int e) { return "none"; }

static int taken(void **p, size_t size) { *p = calloc(1, size + 256); return *p ? 0 : 2; }
int cudaMalloc(void **p, size_t n) { return taken(p, n); }
int cudaMallocFromPoolAsync(void **p, size_t n, void *pool, void *s) { return taken(p, n); }
int cudaMallocHost(void **p, size_t n) { return taken(p, n); }
int cudaHostAlloc(void **p, size_t n, unsigned flags) { return taken(p, n); }
int cudaFree(void *p) { free(p); return 0; }
int cudaFreeAsync(void *p, void *s) { free(p); return 0; }
int cudaFreeHost(void *p) { free(p); return 0; }
int cudaMemGetInfo(size_t *there, size_t *all) { *there = 70UL << 30, *all = 80UL << 30; return 0; }
int cudaPointerGetAttributes(void *p, const void *q) { memset(p, 0, 32), number(p, 0, 2); return 0; }

/* Kind 1 is from the host to the device, 2 the way back. */
static int copied(void *to, const void *from, size_t n, int kind) {
    if (kind == 1 || kind == 2) counts[kind - 1]++;
    memcpy(to, from, n);
    return 0;
}
int cudaMemcpy(void *to, const void *from, size_t n, int kind) { return copied(to, from, n, kind); }
int cudaMemcpyAsync(void *to, const void *from, size_t n, int kind, void *s) { return copied(to, from, n, kind); }
int cudaMemset(void *p, int v, size_t n) { memset(p, v, n); return 0; }
int cudaMemsetAsync(void *p, int v, size_t n, void *s) { memset(p, v, n); return 0; }

int cudaStreamCreate(void **s) { *s = &handle; return 0; }
int cudaStreamCreateWithFlags(void **s, unsigned flags) { *s = &handle; return 0; }
int cudaStreamIsCapturing(void *s, int *state) { *state = 0; return 0; }
int cudaEventCreate(void **e) { *e = &handle; return 0; }
int cudaEventCreateWithFlags(void **e, unsigned flags) { *e = &handle; return 0; }
int cudaEventElapsedTime(float *ms, void *a, void *b) { *ms = 1; return 0; }
int cudaMemPoolCreate(void **p, void *how) { *p = &handle; return 0; }
int cudaMemPoolGetAttribute(void *p, int attribute, uint64_t *v) { *v = 0; return 0; }
int cudaStreamSynchronize(void *s) { counts[2]++; return 0; }
int cudaEventSynchronize(void *e) { counts[2]++; return 0; }
int cudaDeviceSynchronize(void) { counts[2]++; return 0; }

int cudaFuncGetAttributes(void *to, void *f) { memset(to, 0, 64); return 0; }
int cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *n, void *f, int threads, size_t shared, unsigned flags) {
    *n = 1;
    return 0;
}
int cudaGetDriverEntryPointByVersion(const char *name, void **f, unsigned version, unsigned long long flags, int *found) {
    *f = 0;
    if (found) *found = 1;
    return 0;
}
void **__cudaRegisterFatBinary(void *code) { static void *own; return &own; }
int cudaLaunchKernel(void) { counts[3]++; return 0; }
int __cudaLaunchKernel(void) { counts[3]++; return 0; }
int cudaLaunchKernelExC(void) { counts[3]++; return 0; }
