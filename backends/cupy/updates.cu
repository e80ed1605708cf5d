// The optimizers' updates, of many stretches of parameters at once. The numbers in `settings` are rounded to real on the
// host, where the generic kernels' own arithmetic rounds them.
#include "common.cuh"
#include "segments.cuh"

struct Piece {
    real* data;
    const real* gradient;
    real* states[3];          // as the kernel takes them, or none
    const long long* rows;    // which rows of a table the gradient is of; without them, of all
    long long units;          // in a row
    long long start;
    real settings[10];
};
typedef Table<Piece, 24> Pieces;

static const int kElements = 2048;   // that a block updates

// Call a function for every element, with its piece, its place in data and states, and its gradient.
template <class Function>
__device__ __forceinline__ void for_each(const Pieces& pieces, long long total, Function function) {
    for_part(pieces, total, blockIdx.x, kElements, [&function](const Piece& piece, long long index) {
        long long place = index;
        if (piece.rows) {
            long long row = index / piece.units;
            place = piece.rows[row] * piece.units + (index - row * piece.units);
        }
        function(piece, place, piece.gradient[index]);
    });
}

__device__ __forceinline__ real with_decay(real gradient, real decay, real parameter) {
    return decay != 0 ? gradient + decay * parameter : gradient;
}

// NaN where either is.
__device__ __forceinline__ real larger(real a, real b) { return a > b || a != a ? a : b; }

extern "C" __global__ void sgd_update(Pieces pieces, long long total) {
    for_each(pieces, total, [](const Piece& piece, long long place, real gradient) {
        real lr = piece.settings[0], momentum = piece.settings[1], parameter = piece.data[place];
        real* velocity = piece.states[0];
        bool nesterov = piece.settings[2] != 0;
        real step = with_decay(gradient, piece.settings[3], parameter);
        if (velocity) {
            real moved = velocity[place] * momentum + step;
            velocity[place] = moved;
            step = nesterov ? step + momentum * moved : moved;
        }
        piece.data[place] = parameter - lr * step;
    });
}

extern "C" __global__ void adagrad_update(Pieces pieces, long long total) {
    for_each(pieces, total, [](const Piece& piece, long long place, real gradient) {
        real lr = piece.settings[0], epsilon = piece.settings[1], parameter = piece.data[place];
        gradient = with_decay(gradient, piece.settings[2], parameter);
        real sum = piece.states[0][place] + gradient * gradient;
        piece.states[0][place] = sum;
        piece.data[place] = parameter - lr * gradient / (sqrt(sum) + epsilon);
    });
}

extern "C" __global__ void rmsprop_update(Pieces pieces, long long total) {
    for_each(pieces, total, [](const Piece& piece, long long place, real gradient) {
        real lr = piece.settings[0], decay = piece.settings[1], rest = piece.settings[2];
        real epsilon = piece.settings[3], momentum = piece.settings[4], parameter = piece.data[place];
        real *mean = piece.states[1], *velocity = piece.states[2];
        gradient = with_decay(gradient, piece.settings[5], parameter);
        real square = piece.states[0][place] * decay + rest * (gradient * gradient);
        piece.states[0][place] = square;
        if (mean) {
            real centre = mean[place] * decay + rest * gradient;
            mean[place] = centre;
            square = larger(square - centre * centre, real(0));   // rounding may leave it below 0
        }
        real step = gradient / (sqrt(square) + epsilon);
        if (velocity) {
            step += velocity[place] * momentum;
            velocity[place] = step;
        }
        piece.data[place] = parameter - lr * step;
    });
}

extern "C" __global__ void adadelta_update(Pieces pieces, long long total) {
    for_each(pieces, total, [](const Piece& piece, long long place, real gradient) {
        real lr = piece.settings[0], decay = piece.settings[1], rest = piece.settings[2];
        real epsilon = piece.settings[3], parameter = piece.data[place];
        gradient = with_decay(gradient, piece.settings[4], parameter);
        real square = piece.states[0][place] * decay + rest * (gradient * gradient);
        real change = piece.states[1][place];
        real step = sqrt(change + epsilon) / sqrt(square + epsilon) * gradient;
        piece.states[0][place] = square;
        piece.states[1][place] = change * decay + rest * (step * step);
        piece.data[place] = parameter - lr * step;
    });
}

extern "C" __global__ void adam_update(Pieces pieces, long long total) {
    for_each(pieces, total, [](const Piece& piece, long long place, real gradient) {
        const real* settings = piece.settings;
        real rate = settings[0], epsilon = settings[5], root = settings[6];   // with the corrections of their bias
        real parameter = piece.data[place];
        if (settings[8] != 0) parameter *= settings[7];   // decoupled
        else gradient = with_decay(gradient, settings[7], parameter);
        real mean = piece.states[0][place] * settings[1] + settings[2] * gradient;
        real square = piece.states[1][place] * settings[3] + settings[4] * (gradient * gradient);
        piece.states[0][place] = mean;
        piece.states[1][place] = square;
        if (piece.states[2]) {
            square = larger(piece.states[2][place], square);
            piece.states[2][place] = square;
        }
        piece.data[place] = parameter - rate * mean / (sqrt(square) / root + epsilon);
    });
}
