/* Template: the rows that turn every type into one. Included by cast.c with
     TO   the type they make, whose functions <TO>_of_<VIA> exist for the types that stand for all
          sources: i32, i64, u64, f32, f64, c64 */

#define FROM b8
#define VIA i32
#include "backend/cpu/cast_pair.h"
#define FROM u8
#define VIA i32
#include "backend/cpu/cast_pair.h"
#define FROM u16
#define VIA i32
#include "backend/cpu/cast_pair.h"
#define FROM u32
#define VIA i64
#include "backend/cpu/cast_pair.h"
#define FROM u64
#define VIA u64
#include "backend/cpu/cast_pair.h"
#define FROM i8
#define VIA i32
#include "backend/cpu/cast_pair.h"
#define FROM i16
#define VIA i32
#include "backend/cpu/cast_pair.h"
#define FROM i32
#define VIA i32
#include "backend/cpu/cast_pair.h"
#define FROM i64
#define VIA i64
#include "backend/cpu/cast_pair.h"
#define FROM f16
#define VIA f32
#include "backend/cpu/cast_pair.h"
#define FROM f32
#define VIA f32
#include "backend/cpu/cast_pair.h"
#define FROM f64
#define VIA f64
#include "backend/cpu/cast_pair.h"
#define FROM bf16
#define VIA f32
#include "backend/cpu/cast_pair.h"
#define FROM c64
#define VIA c64
#include "backend/cpu/cast_pair.h"

static const wr_row_fn WR_PASTE(to_, TO)[WR_DTYPE_COUNT] = {
    [WR_BOOL] = WR_PASTE(TO, _from_b8),       [WR_UINT8] = WR_PASTE(TO, _from_u8),
    [WR_UINT16] = WR_PASTE(TO, _from_u16),    [WR_UINT32] = WR_PASTE(TO, _from_u32),
    [WR_UINT64] = WR_PASTE(TO, _from_u64),    [WR_INT8] = WR_PASTE(TO, _from_i8),
    [WR_INT16] = WR_PASTE(TO, _from_i16),     [WR_INT32] = WR_PASTE(TO, _from_i32),
    [WR_INT64] = WR_PASTE(TO, _from_i64),     [WR_FLOAT16] = WR_PASTE(TO, _from_f16),
    [WR_FLOAT32] = WR_PASTE(TO, _from_f32),   [WR_FLOAT64] = WR_PASTE(TO, _from_f64),
    [WR_BFLOAT16] = WR_PASTE(TO, _from_bf16), [WR_COMPLEX64] = WR_PASTE(TO, _from_c64),
};

#undef TO
