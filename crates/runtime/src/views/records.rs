//! Declarations of records: one list is layout, documentation and source.

/// Declares a record whose fields have their sources beside them.
///
/// The name in parentheses stands for the source in the expressions.
macro_rules! record {
    (
        $(#[$meta:meta])*
        $name:ident($source:ident: $source_type:ty) {
            $($(#[$field_meta:meta])* $field:ident: $type:ty = $value:expr;)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, Debug, codec::Encode, codec::Decode, scale_info::TypeInfo)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $name {
            /// Fills the record.
            fn of($source: $source_type) -> Self {
                Self { $($field: $value,)* }
            }
        }
    };
}

/// Declares two records: one with all fields, one without those in the middle.
macro_rules! records {
    (
        ($source:ident: $source_type:ty)
        $(#[$short_meta:meta])* short $short:ident;
        $(#[$long_meta:meta])* long $long:ident;
        both { $($(#[$head_meta:meta])* $head:ident: $head_type:ty = $head_value:expr;)* }
        long { $($(#[$middle_meta:meta])* $middle:ident: $middle_type:ty = $middle_value:expr;)* }
        both { $($(#[$tail_meta:meta])* $tail:ident: $tail_type:ty = $tail_value:expr;)* }
    ) => {
        record! {
            $(#[$short_meta])*
            $short($source: $source_type) {
                $($(#[$head_meta])* $head: $head_type = $head_value;)*
                $($(#[$tail_meta])* $tail: $tail_type = $tail_value;)*
            }
        }
        record! {
            $(#[$long_meta])*
            $long($source: $source_type) {
                $($(#[$head_meta])* $head: $head_type = $head_value;)*
                $($(#[$middle_meta])* $middle: $middle_type = $middle_value;)*
                $($(#[$tail_meta])* $tail: $tail_type = $tail_value;)*
            }
        }
    };
}
