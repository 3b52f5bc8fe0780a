#ifndef WR_API_MAP_H
#define WR_API_MAP_H

/* Handles of maps, for the files of this folder: values are struct wr_node, counted, or text of
   wr_alloc. Checks as in api.h. */

#include "base/map.h"
#include "core/error.h"
#include "mlx/c/map.h"

struct wr_map *wr_api_map_of_arrays(mlx_map_string_to_array map, const char *param,
                                    struct wr_error **error);
struct wr_map *wr_api_map_of_texts(mlx_map_string_to_string map, const char *param,
                                   struct wr_error **error);
/* Makes *map a copy. */
struct wr_error *wr_api_make_arrays(mlx_map_string_to_array *map, const struct wr_map *from);
/* Makes both handles, and their copies, the maps that are taken, which are empty afterwards; on an
   error all is left alone. */
struct wr_error *wr_api_set_maps(mlx_map_string_to_array *arrays_res, struct wr_map *arrays_taken,
                                 mlx_map_string_to_string *texts_res, struct wr_map *texts_taken);

#endif
