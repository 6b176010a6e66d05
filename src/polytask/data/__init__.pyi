from .as_rows import Data, as_rows
from .cells import encode_wide
from .data_sets import rows_of_data_sets
from .infer import InferredTask, infer_targets
from .items import Items, opened
from .label_columns import label_columns
from .leaks import find_leaks
from .marks import MARKS, all_marks
from .reading import Reading, interpret
from .roles import check_columns, weight_columns
from .rows import Batch, Inputs, Rows
from .sample_weights import check_weights, sample_weights
from .schema import Schema
from .sources import read_sources, with_columns_of_other_sources
from .sparse import SparseRows
from .split_checks import check_parts, check_split
from .splits import MOST_HELD, PARTS, load_split, make_split, save_split, split_from_column
from .standardise import standardise, warn_of_large_numbers
from .stored import FileInput, RowGroups, StoredInput
from .table import column_names, read_cells, read_table, require_rows, table_pieces
from .tags import for_words
from .targets import encode_targets
from .text import TextSettings

__all__ = [
    "MARKS",
    "MOST_HELD",
    "PARTS",
    "Batch",
    "Data",
    "FileInput",
    "InferredTask",
    "Inputs",
    "Items",
    "Reading",
    "RowGroups",
    "Rows",
    "Schema",
    "SparseRows",
    "StoredInput",
    "TextSettings",
    "all_marks",
    "as_rows",
    "check_columns",
    "check_parts",
    "check_split",
    "check_weights",
    "column_names",
    "encode_targets",
    "encode_wide",
    "find_leaks",
    "for_words",
    "infer_targets",
    "interpret",
    "label_columns",
    "load_split",
    "make_split",
    "opened",
    "read_cells",
    "read_sources",
    "read_table",
    "require_rows",
    "rows_of_data_sets",
    "sample_weights",
    "save_split",
    "split_from_column",
    "standardise",
    "table_pieces",
    "warn_of_large_numbers",
    "weight_columns",
    "with_columns_of_other_sources",
]
