#ifndef WR_BACKEND_CUDA_DRIVER_LIBRARY_H
#define WR_BACKEND_CUDA_DRIVER_LIBRARY_H

/* NVIDIA's libraries. Weir has its own declarations of the few functions that it calls, so that
   nothing of CUDA is needed to build it, and tables of their addresses. A library is opened at
   first need, never as Weir is loaded, and never closed; at the end of the process only the gates
   are shut (base/gate.h). If the system refuses something for the moment, the next call tries again
   (T2). Any thread; no locks but those of base/once.h. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef int wr_cu_result;
typedef int wr_cu_device;
typedef uint64_t wr_cu_address;
typedef struct wr_cu_context_object *wr_cu_context;
typedef struct wr_cu_pool_object *wr_cu_pool;
typedef struct wr_cu_stream_object *wr_cu_stream;
typedef struct wr_cu_event_object *wr_cu_event;
typedef struct wr_cu_module_object *wr_cu_module;
typedef struct wr_cu_function_object *wr_cu_function;

typedef struct wr_cu_graph_object *wr_cu_graph;
typedef struct wr_cu_graph_exec_object *wr_cu_graph_exec;
typedef struct wr_cu_node_object *wr_cu_node;

/* What the driver calls CUDA_KERNEL_NODE_PARAMS_v2. */
struct wr_cu_node_values {
  wr_cu_function function;
  unsigned grid[3];
  unsigned block[3];
  unsigned shared_bytes;
  void **arguments;
  void **extra;
  void *kernel;          /* in place of the function; NULL */
  wr_cu_context context; /* NULL: the current one */
};

_Static_assert(sizeof(struct wr_cu_node_values) == 72, "as the driver lays it out");

/* What the driver calls CUmemAccessDesc. */
struct wr_cu_access {
  int location_type;
  int location_id;
  int flags;
};

/* What the driver calls CUmemPoolProps. */
struct wr_cu_pool_properties {
  int allocation_type;
  int handle_types;
  int location_type;
  int location_id;
  void *security;
  size_t max_bytes; /* 0: as much as there is */
  unsigned short usage;
  unsigned char reserved[54];
};

_Static_assert(sizeof(struct wr_cu_pool_properties) == 88, "as the driver lays it out");

/* Results that Weir tells apart; all others are just failures. */
enum {
  WR_CU_SUCCESS = 0,
  WR_CU_INVALID_VALUE = 1,
  WR_CU_OUT_OF_MEMORY = 2,
  WR_CU_NOT_INITIALIZED = 3,
  WR_CU_DEINITIALIZED = 4,
  WR_CU_DEVICE_UNAVAILABLE = 46,
  WR_CU_ECC_UNCORRECTABLE = 214,
  WR_CU_NVLINK_UNCORRECTABLE = 220,
  WR_CU_CONTAINED = 226,
  WR_CU_OPERATING_SYSTEM = 304,
  WR_CU_NOT_READY = 600,
  WR_CU_ILLEGAL_ADDRESS = 700,
  WR_CU_LAUNCH_TIMEOUT = 702,
  WR_CU_CONTEXT_IS_DESTROYED = 709,
  WR_CU_ASSERT = 710,
  WR_CU_HARDWARE_STACK_ERROR = 714,
  WR_CU_LAUNCH_FAILED = 719,
  WR_CU_SYSTEM_NOT_READY = 802
};

enum {
  WR_CU_ATTRIBUTE_MULTIPROCESSORS = 16,
  WR_CU_ATTRIBUTE_PCI_BUS = 33,
  WR_CU_ATTRIBUTE_PCI_DEVICE = 34,
  WR_CU_ATTRIBUTE_PCI_DOMAIN = 50,
  WR_CU_ATTRIBUTE_MAJOR = 75,
  WR_CU_ATTRIBUTE_MINOR = 76,
  WR_CU_ATTRIBUTE_SHARED_MOST = 97, /* bytes of a block that asks for more than is usual */
  WR_CU_ATTRIBUTE_POOLS = 115,
  WR_CU_FUNCTION_MAX_THREADS = 0,
  WR_CU_FUNCTION_MAX_SHARED = 8,
  WR_CU_STREAM_NON_BLOCKING = 1,
  WR_CU_EVENT_BLOCKING = 1,
  WR_CU_EVENT_NO_TIMING = 2,
  WR_CU_HOST_PORTABLE = 1,
  WR_CU_TENSOR_MAP_BYTES = 0,
  WR_CU_TENSOR_MAP_16_BITS = 1, /* of which zeros are filled in, whatever they mean */
  WR_CU_TENSOR_MAP_SWIZZLE_32 = 1,
  WR_CU_TENSOR_MAP_SWIZZLE_64 = 2,
  WR_CU_TENSOR_MAP_SWIZZLE_128 = 3,
  WR_CU_TENSOR_MAP_PROMOTION_256 = 3,
  WR_CU_POOL_RELEASE_THRESHOLD = 4,
  WR_CU_ALLOCATION_PINNED = 1,
  WR_CU_LOCATION_DEVICE = 1,
  WR_CU_ACCESS_READ_WRITE = 3
};

/* What the driver calls CUuuid. */
struct wr_cu_uuid {
  unsigned char bytes[16];
};

/* What the driver calls CUtensorMap. */
struct wr_cu_tensor_map {
  _Alignas(64) uint64_t words[16];
};

/* The table of a library's functions: a row of its list is a field, an address and nothing else. */
#define WR_FUNCTION(name, symbol, params) int(*name) params;

struct wr_driver {
#include "backend/cuda/driver/driver.def"
};

typedef struct wr_nvrtc_program_object *wr_nvrtc_program;

struct wr_nvrtc {
#include "backend/cuda/driver/nvrtc.def"
};

typedef struct wr_lt_handle_object *wr_lt_handle;
typedef struct wr_lt_desc_object *wr_lt_desc;
typedef struct wr_lt_layout_object *wr_lt_layout;
typedef struct wr_lt_preference_object *wr_lt_preference;

struct wr_lt_algo {
  uint64_t opaque[8];
};

struct wr_lt_heuristic {
  struct wr_lt_algo algo;
  size_t workspace;
  int state; /* 0: usable */
  float waves;
  int reserved[4];
};

enum {
  WR_LT_REAL_F32 = 0,
  WR_LT_REAL_F64 = 1,
  WR_LT_REAL_F16 = 2,
  WR_LT_COMPLEX_F32 = 4,
  WR_LT_REAL_BF16 = 14,
  WR_LT_COMPUTE_F32 = 68,
  WR_LT_COMPUTE_F64 = 70,
  WR_LT_COMPUTE_F32_BY_TF32 = 77,
  WR_LT_DESC_TRANSPOSE_A = 3,
  WR_LT_DESC_TRANSPOSE_B = 4,
  WR_LT_LAYOUT_BATCH_COUNT = 5,
  WR_LT_LAYOUT_BATCH_STRIDE = 6,
  WR_LT_PREFERENCE_WORKSPACE = 1,
  WR_LT_PREFERENCE_ALIGN_A = 5,
  WR_LT_PREFERENCE_ALIGN_B = 6,
  WR_LT_PREFERENCE_ALIGN_C = 7,
  WR_LT_PREFERENCE_ALIGN_D = 8
};

struct wr_lt {
#include "backend/cuda/driver/cublaslt.def"
};

enum {
  WR_CUFFT_ALLOC_FAILED = 2,
  WR_CUFFT_C2C = 0x29,
  WR_CUFFT_R2C = 0x2a,
  WR_CUFFT_C2R = 0x2c,
  WR_CUFFT_FORWARD = -1,
  WR_CUFFT_INVERSE = 1
};

struct wr_cufft {
#include "backend/cuda/driver/cufft.def"
};

typedef struct wr_solver_handle_object *wr_solver_handle;
typedef struct wr_solver_params_object *wr_solver_params;
typedef struct wr_solver_jacobi_object *wr_solver_jacobi;
typedef struct wr_blas_handle_object *wr_blas_handle;

enum {
  WR_CUSOLVER_ALLOC_FAILED = 2,
  WR_CUBLAS_ALLOC_FAILED = 3,
  WR_CUBLAS_LOWER = 0,
  WR_CUBLAS_UPPER = 1,
  WR_CUBLAS_PLAIN = 0,
  WR_CUBLAS_TRANSPOSED = 1,
  WR_CUBLAS_RIGHT = 1
};

struct wr_cusolver {
#include "backend/cuda/driver/cusolver.def"
};

struct wr_cusolver_new {
#include "backend/cuda/driver/cusolver_new.def"
};

struct wr_cublas {
#include "backend/cuda/driver/cublas.def"
};

typedef struct wr_dnn_handle_object *wr_dnn_handle;
typedef void *wr_dnn_desc;

/* Kinds of descriptions, types of values, attributes, and values of cuDNN's. */
enum {
  WR_DNN_CONV = 1,
  WR_DNN_ENGINE = 2,
  WR_DNN_CONFIG = 3,
  WR_DNN_HEURISTICS = 4,
  WR_DNN_PLAN = 5,
  WR_DNN_CONV_FORWARD = 10,
  WR_DNN_GRAPH = 15,
  WR_DNN_ARGUMENTS = 16,
  WR_DNN_TENSOR = 17,

  WR_DNN_IS_HANDLE = 0,
  WR_DNN_IS_TYPE = 1,
  WR_DNN_IS_INT64 = 3,
  WR_DNN_IS_FLOAT = 4,
  WR_DNN_IS_POINTER = 6,
  WR_DNN_IS_CONV_MODE = 7,
  WR_DNN_IS_HEURISTIC = 8,
  WR_DNN_IS_NUMERICAL_NOTE = 11,
  WR_DNN_IS_DESC = 15,
  WR_DNN_IS_BEHAVIOR_NOTE = 19,

  WR_DNN_CONV_TYPE = 100,
  WR_DNN_CONV_MODE = 101,
  WR_DNN_CONV_DILATIONS = 102,
  WR_DNN_CONV_STRIDES = 103,
  WR_DNN_CONV_BEHIND = 104,
  WR_DNN_CONV_BEFORE = 105,
  WR_DNN_CONV_AXES = 106,
  WR_DNN_HEURISTICS_MODE = 200,
  WR_DNN_HEURISTICS_GRAPH = 201,
  WR_DNN_HEURISTICS_RESULTS = 202,
  WR_DNN_CONFIG_ENGINE = 300,
  WR_DNN_PLAN_HANDLE = 400,
  WR_DNN_PLAN_CONFIG = 401,
  WR_DNN_PLAN_WORKSPACE = 402,
  WR_DNN_FORWARD_ALPHA = 700,
  WR_DNN_FORWARD_BETA = 701,
  WR_DNN_FORWARD_CONV = 702,
  WR_DNN_FORWARD_WEIGHT = 703,
  WR_DNN_FORWARD_INPUT = 704,
  WR_DNN_FORWARD_OUT = 705,
  WR_DNN_GRAPH_HANDLE = 800,
  WR_DNN_GRAPH_OPERATIONS = 801,
  WR_DNN_TENSOR_ALIGNMENT = 900,
  WR_DNN_TENSOR_TYPE = 901,
  WR_DNN_TENSOR_SHAPE = 902,
  WR_DNN_TENSOR_STRIDES = 903,
  WR_DNN_TENSOR_NUMBER = 906,
  WR_DNN_ARGUMENTS_NUMBERS = 1000,
  WR_DNN_ARGUMENTS_POINTERS = 1001,
  WR_DNN_ARGUMENTS_WORKSPACE = 1003,
  WR_DNN_ENGINE_NUMERICAL = 1303,
  WR_DNN_ENGINE_BEHAVIOR = 1305,

  WR_DNN_F32 = 0,
  WR_DNN_F16 = 2,
  WR_DNN_BF16 = 9,
  WR_DNN_CROSS_CORRELATION = 1,
  WR_DNN_BY_TREE = 3,
  WR_DNN_NOTE_TENSOR_CORES = 0,
  WR_DNN_NOTE_STRICT_NAN = 9,
  WR_DNN_NOTE_COMPILES = 0,
  WR_DNN_BAD = 2000,    /* parameters, from here on; what is not supported */
  WR_DNN_FAILED = 4000, /* failures, from here on */
  WR_DNN_NO_HOST_MEMORY = 4003,
  WR_DNN_NO_MEMORY = 4004
};

struct wr_dnn {
#include "backend/cuda/driver/cudnn.def"
};

typedef struct wr_nccl_comm_object *wr_nccl_comm;

/* What NCCL calls ncclUniqueId. */
struct wr_nccl_id {
  char bytes[128];
};

/* The beginning of what NCCL calls ncclConfig_t, as version 2.14 has it; `size` says where it ends.
 */
struct wr_nccl_config {
  size_t size;
  unsigned magic;
  unsigned version;
  int blocking;
};

#define WR_NCCL_CONFIG_MAGIC 0xcafebeefu

enum {
  WR_NCCL_CONFIG_BYTES = offsetof(struct wr_nccl_config, blocking) + sizeof(int),
  WR_NCCL_CONFIG_VERSION = 21400,
  WR_NCCL_IN_PROGRESS = 7,
  WR_NCCL_INT8 = 0,
  WR_NCCL_UINT8 = 1,
  WR_NCCL_INT32 = 2,
  WR_NCCL_UINT32 = 3,
  WR_NCCL_INT64 = 4,
  WR_NCCL_UINT64 = 5,
  WR_NCCL_F16 = 6,
  WR_NCCL_F32 = 7,
  WR_NCCL_F64 = 8,
  WR_NCCL_BF16 = 9,
  WR_NCCL_SUM = 0,
  WR_NCCL_MAX = 2,
  WR_NCCL_MIN = 3
};

struct wr_nccl {
#include "backend/cuda/driver/nccl.def"
};

#undef WR_FUNCTION

/* Why a library cannot be used. */
struct wr_absence {
  const char *reason; /* which library, which function; for ever */
  bool for_now;       /* the system, or the driver, refused it for the moment */
};

/* The functions of a library; NULL when it cannot be used, and then *why is filled. The driver's
   has been through cuInit and has at least one device. */
const struct wr_driver *wr_cuda_driver(struct wr_absence *why);
const struct wr_nvrtc *wr_cuda_nvrtc(struct wr_absence *why);
const struct wr_lt *wr_cuda_lt(struct wr_absence *why);
const struct wr_cufft *wr_cuda_cufft(struct wr_absence *why);
const struct wr_cusolver *wr_cuda_cusolver(struct wr_absence *why);
const struct wr_cusolver_new *wr_cuda_cusolver_new(struct wr_absence *why);
const struct wr_cublas *wr_cuda_cublas(struct wr_absence *why);
const struct wr_dnn *wr_cuda_dnn(struct wr_absence *why);
const struct wr_nccl *wr_cuda_nccl(struct wr_absence *why);

#endif
